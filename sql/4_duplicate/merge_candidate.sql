-- title: 一人多号 / pairs of numbers of one person
-- grain: one row per pair of personal numbers or of certificate numbers
-- rules: DUP-8
-- publish: person_id, why, psn_no_a, psn_no_b
-- joins: as written
-- columns:
--   person_id: the person [sensitive]
--   psn_no_a: the number that comes first in text order [sensitive]
--   psn_no_b: the other one [sensitive]
--   why: two_psn_no, certno_15_18, old_certno
WITH
-- hardly anybody has two: who may is found by integers, the numbers themselves are read of these alone
several_personal AS (
    SELECT person_key
    FROM relation_row
    WHERE psn_no IS NOT NULL AND NOT is_elsewhere
    GROUP BY person_key
    HAVING min(join_key(psn_no)) <> max(join_key(psn_no))
),

personal AS (
    SELECT person_key, psn_no
    FROM relation_row
    WHERE psn_no IS NOT NULL AND NOT is_elsewhere AND person_key IN (SELECT person_key FROM several_personal)
    GROUP BY person_key, psn_no
),

certificate AS (
    SELECT person_key, certno AS number
    FROM person_identity
    WHERE certno IS NOT NULL AND person_key IN (SELECT person_key FROM person_number WHERE kind = 'certno')
    UNION
    SELECT person_key, number
    FROM person_number
    WHERE kind = 'certno' AND seen_in_certno
),

several AS (
    SELECT person_key FROM certificate GROUP BY person_key HAVING count(*) > 1
),

pair AS (
    SELECT a.person_key, a.psn_no AS psn_no_a, b.psn_no AS psn_no_b, 'two_psn_no' AS why
    FROM personal AS a
    INNER JOIN personal AS b ON a.person_key = b.person_key AND a.psn_no < b.psn_no
    UNION ALL
    SELECT
        a.person_key,
        a.number,
        b.number,
        CASE WHEN number_key(a.number) = number_key(b.number) THEN 'certno_15_18' ELSE 'old_certno' END
    FROM certificate AS a
    INNER JOIN several AS s ON a.person_key = s.person_key
    INNER JOIN certificate AS b ON a.person_key = b.person_key AND a.number < b.number
)

SELECT i.person_id, p.psn_no_a, p.psn_no_b, p.why
FROM person_identity AS i
INNER JOIN pair AS p ON i.person_key = p.person_key
