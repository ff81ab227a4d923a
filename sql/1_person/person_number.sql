-- title: 人员的其他号码 / further numbers of a person
-- grain: one row per person and number that is not the one in force
-- rules: DUP-8
-- columns:
--   kind: certno or birth_cert_no
--   seen_in_certno: a source carries it as somebody's number
WITH
linked AS (
    SELECT person_key, number_key FROM number_link WHERE number_key >= 0
    UNION
    -- the first number itself, where a later one is in force
    SELECT person_key, person_key FROM number_link WHERE person_key >= 0
),

in_use AS (
    SELECT number_key FROM population_row WHERE number_key IN (SELECT number_key FROM linked)
    UNION
    SELECT number_key FROM relation_row WHERE number_key IN (SELECT number_key FROM linked)
    UNION
    SELECT number_key FROM payment_row WHERE number_key IN (SELECT number_key FROM linked)
    UNION
    SELECT number_key FROM other_row WHERE number_key IN (SELECT number_key FROM linked)
),

every_number AS (
    SELECT l.person_key, key_text(l.number_key) AS number, u.number_key IS NOT NULL AS seen_in_certno
    FROM linked AS l
    LEFT JOIN in_use AS u ON l.number_key = u.number_key
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
