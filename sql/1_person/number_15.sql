-- title: 仅见15位写法的号码 / numbers that every source writes with 15 digits
-- grain: one row per number
-- rules: NB-2
WITH
seen_15 AS (
    SELECT DISTINCT number_key
    FROM number_seen
    WHERE number_key >= 0 AND length(number) = 15
),

in_history AS (
    SELECT certno
    FROM src_enrollment_history
    WHERE certno IN (SELECT key_text(number_key) FROM seen_15)
)

SELECT s.number_key
FROM seen_15 AS s
WHERE
    NOT EXISTS (SELECT 1 FROM population_row AS p WHERE p.number_key = s.number_key AND p.odd_certno IS NULL)
    AND NOT EXISTS (SELECT 1 FROM relation_row AS r WHERE r.number_key = s.number_key AND r.odd_certno IS NULL)
    AND NOT EXISTS (SELECT 1 FROM payment_row AS t WHERE t.number_key = s.number_key AND NOT t.has_other_length)
    AND NOT EXISTS (SELECT 1 FROM in_history AS h WHERE h.certno = key_text(s.number_key))
    AND NOT EXISTS (SELECT 1 FROM other_row AS o WHERE o.number_key = s.number_key AND o.odd_certno IS NULL)
