-- title: 参与重复的关系 / normal, covered relations of people who have several
-- grain: one row per relation
-- rules: DUP-1, DUP-2, DUP-3, DUP-4, DUP-5
-- columns:
--   span_bits: covered months of the span, bit 0 its first month
WITH
live_relation AS (
    SELECT *
    FROM relation
    WHERE is_normal AND span_bits <> 0
),

several AS (
    SELECT person_key
    FROM live_relation
    GROUP BY person_key
    HAVING count(*) > 1
)

SELECT r.*
FROM live_relation AS r
INNER JOIN several AS s ON r.person_key = s.person_key
