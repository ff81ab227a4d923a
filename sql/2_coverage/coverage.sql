-- title: 参保月份 / covered months
-- grain: one row per person, relation and run of months
-- rules: DUP-1, DUP-5
-- publish: person_id, psn_insu_rlts_id, insutype, begn_month, insu_admdvs, end_month, projected
-- parts: computed
-- columns:
--   person_id: the person [sensitive]
--   psn_insu_rlts_id: the relation; null for payments without one
--   insutype: insurance type
--   insu_admdvs: place as delivered
--   begn_month: first month, YYYYMM
--   end_month: last month, YYYYMM
--   paid: paid for, fully aided, or in no need of a payment
--   projected: expected to continue, not yet paid
WITH
settled AS (
    -- a relation that needs no payments is covered by its spell; what was paid before lies inside it
    SELECT DISTINCT rel_no FROM interval_cover WHERE paid
),

paid AS (
    SELECT c.*
    FROM covered_year AS c
    WHERE c.rel_no IS NULL OR c.rel_no NOT IN (SELECT rel_no FROM settled)
),

summed AS (
    SELECT
        person_key,
        rel_no,
        insutype_no,
        min(year * 12 + first_bit(month_bits)) AS begn_no,
        max(year * 12 + last_bit(month_bits)) AS end_no,
        sum(bit_count(month_bits)) AS months
    FROM paid
    GROUP BY person_key, rel_no, insutype_no
),

-- most relations are one run; only the others are taken apart month by month
broken_month AS (
    SELECT p.person_key, p.rel_no, p.insutype_no, p.year * 12 + m.bit AS no
    FROM paid AS p
    INNER JOIN summed AS s
        ON p.person_key = s.person_key AND p.rel_no IS NOT DISTINCT FROM s.rel_no AND p.insutype_no = s.insutype_no
    INNER JOIN (SELECT unnest(range(0, 12))::INTEGER AS bit) AS m ON (p.month_bits >> m.bit) & 1 = 1
    WHERE s.months <> s.end_no - s.begn_no + 1
),

broken_island AS (
    SELECT
        *,
        no - row_number() OVER (PARTITION BY person_key, rel_no, insutype_no ORDER BY no) AS island
    FROM broken_month
),

run_of_months AS (
    SELECT person_key, rel_no, insutype_no, begn_no, end_no, true AS paid, false AS projected
    FROM summed
    WHERE months = end_no - begn_no + 1
    UNION ALL
    SELECT person_key, rel_no, insutype_no, min(no), max(no), true, false
    FROM broken_island
    GROUP BY person_key, rel_no, insutype_no, island
    UNION ALL
    SELECT person_key, rel_no, insutype_no, begn_no, end_no, paid, projected
    FROM interval_cover
)

SELECT
    i.person_id,
    r.psn_insu_rlts_id,
    m.insutype_no::VARCHAR AS insutype,
    CASE WHEN m.rel_no IS NULL THEN o.insu_admdvs ELSE r.insu_admdvs END AS insu_admdvs,
    month_text(m.begn_no) AS begn_month,
    month_text(m.end_no) AS end_month,
    m.paid,
    m.projected
FROM run_of_months AS m
INNER JOIN person_identity AS i ON m.person_key = i.person_key
LEFT JOIN relation_row AS r ON m.rel_no = r.row_no
LEFT JOIN loose_place AS o ON m.person_key = o.person_key AND m.insutype_no = o.insutype_no
