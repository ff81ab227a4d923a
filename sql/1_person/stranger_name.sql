-- title: 户籍外人员的姓名 / what other sources call who is not in the population
-- grain: one row per person outside of the population whose name or birth date another source has
-- joins: as written
-- columns:
--   psn_name: from enrollment before all others, payments last
WITH
stranger AS (
    SELECT person_key FROM person_key WHERE source_bits % 2 = 0
),

stranger_payment AS (
    SELECT person_key, row_no
    FROM payment_row
    WHERE person_key IN (SELECT person_key FROM stranger)
),

named AS (
    SELECT person_key, 1 AS source_rank, psn_name, NULL::DATE AS brdy
    FROM relation_row
    WHERE psn_name IS NOT NULL AND person_key IN (SELECT person_key FROM stranger)
    UNION ALL
    SELECT person_key, 2, psn_name, brdy
    FROM other_row
    WHERE (psn_name IS NOT NULL OR brdy IS NOT NULL) AND person_key IN (SELECT person_key FROM stranger)
    UNION ALL
    SELECT p.person_key, 3, t.psn_name, NULL
    FROM src_tax_payment AS t
    INNER JOIN stranger_payment AS p ON t.row_no = p.row_no
    WHERE t.psn_name IS NOT NULL
)

SELECT
    person_key,
    min(CASE WHEN psn_name IS NOT NULL THEN source_rank || psn_name END)[2:] AS psn_name,
    min(brdy) AS brdy
FROM named
GROUP BY person_key
