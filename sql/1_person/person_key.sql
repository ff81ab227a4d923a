-- title: 人员清单 / every person of any source
-- grain: one row per person
-- columns:
--   source_bits: sources that know the person (code_source_bit)
WITH
seen AS (
    SELECT person_key, 1 AS bit FROM population_person
    UNION ALL
    SELECT person_key, CASE WHEN is_elsewhere THEN 32 ELSE 16 END AS bit FROM relation_row
    UNION ALL
    SELECT person_key, 64 AS bit FROM payment_row GROUP BY person_key
    UNION ALL
    SELECT person_key, 8192 AS bit FROM history_person
    UNION ALL
    SELECT o.person_key, b.bit::INTEGER AS bit
    FROM other_row AS o
    INNER JOIN code_source_bit AS b ON o.source = b.code
)

SELECT person_key, bit_or(bit)::INTEGER AS source_bits
FROM seen
GROUP BY person_key
