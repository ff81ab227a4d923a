-- The candidates, and why somebody is left out: no_township, open (still before the village), disputed,
-- answered (holds).
-- An open row of a whole township counts for its villages, and an open row of a village for the whole township.
WITH
open_township AS (
    SELECT DISTINCT o.person_id, o.l3
    FROM open_row AS o
    CROSS JOIN asked
    WHERE asked.level = 3 OR o.batch_level = 3
),

open_village AS (
    SELECT DISTINCT person_id, place_code
    FROM open_row
)

SELECT
    c.*,
    CASE
        WHEN c.batch_division IS NULL THEN 'no_township'
        WHEN t.person_id IS NOT NULL OR v.person_id IS NOT NULL THEN 'open'
        WHEN h.is_disputed THEN 'disputed'
        WHEN h.person_id IS NOT NULL THEN 'answered'
    END AS left_out
FROM candidate AS c
LEFT JOIN open_township AS t ON c.person_id = t.person_id AND c.l3 = t.l3
LEFT JOIN open_village AS v ON c.person_id = v.person_id AND c.division_code = v.place_code
LEFT JOIN held_person AS h ON c.person_id = h.person_id
