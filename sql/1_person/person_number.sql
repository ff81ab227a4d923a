-- title: 人员的其他号码 / further numbers of a person
-- grain: one row per person and number that is not the one in force
-- rules: DUP-8
-- columns:
--   kind: certno or birth_cert_no
--   seen_in_certno: a source carries it as somebody's number
WITH
every_number AS (
    SELECT l.person_key, CASE WHEN l.number_key >= 0 THEN key_text(l.number_key) END AS number, true AS seen_in_certno
    FROM number_link AS l
    WHERE l.number_key >= 0
    UNION ALL
    -- the first number itself, where a later one is in force
    SELECT DISTINCT l.person_key, key_text(l.person_key), false
    FROM number_link AS l
    WHERE l.person_key >= 0
    UNION ALL
    SELECT person_key, number, seen_in_certno FROM number_seen
)

SELECT
    e.person_key,
    e.number,
    CASE WHEN b.birth_cert_no IS NULL THEN 'certno' ELSE 'birth_cert_no' END AS kind,
    bool_or(e.seen_in_certno) AS seen_in_certno
FROM every_number AS e
INNER JOIN person_identity AS i ON e.person_key = i.person_key
LEFT JOIN (SELECT DISTINCT birth_cert_no FROM birth_child) AS b ON e.number = b.birth_cert_no
WHERE e.number IS DISTINCT FROM i.certno
GROUP BY e.person_key, e.number, CASE WHEN b.birth_cert_no IS NULL THEN 'certno' ELSE 'birth_cert_no' END
