-- title: 零报销年度 / years without a claim that raise the major-illness cap
-- grain: one row per person with any annual claim
-- rules: CAP-2, CAP-4
-- columns:
--   zero_claim_years: years without a claim, paid on into the next year, after the last year in which reward was used
WITH
claim AS (
    SELECT
        o.person_key,
        a.year,
        bool_and(a.fund_paid_amt = 0) AS is_zero,
        bool_or(coalesce(a.reward_used, false)) AS used_reward
    FROM src_annual_claim AS a
    INNER JOIN other_row AS o ON a.row_no = o.row_no AND o.source = 'annual_claim'
    GROUP BY o.person_key, a.year
),

last_used AS (
    SELECT c.person_key, max(c.year) AS year
    FROM claim AS c
    CROSS JOIN run
    -- Chongqing zeroes the rewards in the next year (次年清零), Sichuan names no delay
    WHERE c.used_reward AND c.year < run.insured_year + (CASE WHEN run.reset_next_year THEN 0 ELSE 1 END)
    GROUP BY c.person_key
)

SELECT c.person_key, count(*)::INTEGER AS zero_claim_years
FROM claim AS c
CROSS JOIN run
INNER JOIN person_cover AS v ON c.person_key = v.person_key
LEFT JOIN last_used AS u ON c.person_key = u.person_key
WHERE
    c.is_zero
    AND c.year BETWEEN run.reward_from_year AND run.insured_year - 1
    AND (u.year IS NULL OR c.year > u.year)
    AND (v.resident_bits >> (c.year - 1990)) & 1 = 1
    AND ((v.resident_bits >> (c.year + 1 - 1990)) & 1 = 1 OR NOT run.zero_claim_needs_payment)
GROUP BY c.person_key
