-- title: 居民缴费档次 / premium tier of the insured year
-- grain: one row per person paid or aided for the insured year as resident
-- rules: PER-2
-- parts: computed
-- columns:
--   tier: as the payment says, else the relation, else by the amount
SELECT
    y.person_key,
    max(paid_tier(y.tier, r.tier, y.amount, p.tier2_amt)) AS tier
FROM resident_year AS y
CROSS JOIN run
LEFT JOIN relation AS r ON y.rel_no = r.row_no
LEFT JOIN year_param AS p ON y.year = p.insu_year
WHERE y.year = run.insured_year
GROUP BY y.person_key
