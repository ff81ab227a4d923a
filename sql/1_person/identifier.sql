-- title: 人员号码 / every number of a person
-- grain: one row per person, kind and number
-- rules: NB-2, DUP-8
-- publish: person_id, kind, value
-- columns:
--   person_id: the person [sensitive]
--   kind: certno, birth_cert_no, psn_no
--   value: the number, as the sources wrote it; plain 18-digit numbers in full [sensitive]
--   source: the first source that carries it
--   first_delivery: its oldest delivery in tonight's files
--   last_delivery: its newest one
WITH
carried AS (
    SELECT person_key, number_key, 'population' AS source, row_no AS first_no, row_no AS last_no FROM population_row
    UNION ALL
    SELECT
        person_key, number_key, CASE WHEN is_elsewhere THEN 'enrollment_elsewhere' ELSE 'enrollment' END, row_no, row_no
    FROM relation_row
    UNION ALL
    SELECT person_key, number_key, source, row_no, row_no FROM other_row WHERE certno IS NOT NULL
    UNION ALL
    SELECT any_value(person_key), number_key, 'tax_payment', min(row_no), max(row_no)
    FROM payment_row
    GROUP BY number_key
    UNION ALL
    SELECT person_key, person_key, 'enrollment_history', first_no, first_no FROM history_person
    UNION ALL
    -- numbers that only point to another one: used-to-be numbers and birth certificates
    SELECT coalesce(l.person_key, s.old_key), s.old_key, 'population', s.row_no, s.row_no
    FROM (SELECT row_no, number_key(old_certno) AS old_key FROM src_population WHERE old_certno IS NOT NULL) AS s
    LEFT JOIN number_link AS l ON s.old_key = l.number_key
    UNION ALL
    SELECT coalesce(l.person_key, c.birth_key), c.birth_key, 'birth', min(b.row_no), max(b.row_no)
    FROM birth_child AS c
    INNER JOIN staged_birth AS b ON c.birth_cert_no = b.birth_cert_no
    LEFT JOIN number_link AS l ON c.birth_key = l.number_key
    GROUP BY coalesce(l.person_key, c.birth_key), c.birth_key
),

by_number AS (
    SELECT
        number_key,
        any_value(person_key) AS person_key,
        min(r.rank_no || ' ' || c.source) AS ranked_source,
        min(first_no) AS first_no,
        max(last_no) AS last_no
    FROM carried AS c
    INNER JOIN (SELECT code, lpad(bit, 5, '0') AS rank_no FROM code_source_bit) AS r ON c.source = r.code
    GROUP BY number_key
),

written AS (
    -- the 15-digit spelling stands beside the 18-digit form that it shares its key with
    SELECT number_key, number
    FROM number_seen
    UNION
    SELECT b.number_key, key_text(b.number_key)
    FROM by_number AS b
    WHERE b.number_key >= 0
),

every_number AS (
    SELECT b.person_key, coalesce(w.number, '') AS value, b.ranked_source, b.first_no, b.last_no
    FROM by_number AS b
    INNER JOIN written AS w ON b.number_key = w.number_key
),

named AS (
    SELECT
        e.person_key,
        CASE WHEN c.birth_cert_no IS NULL THEN 'certno' ELSE 'birth_cert_no' END AS kind,
        e.value,
        CASE WHEN c.birth_cert_no IS NULL THEN substr(e.ranked_source, 7) ELSE 'birth' END AS source,
        e.first_no,
        e.last_no
    FROM every_number AS e
    LEFT JOIN (SELECT DISTINCT birth_cert_no FROM birth_child) AS c ON e.value = c.birth_cert_no
    UNION ALL
    SELECT
        person_key,
        'psn_no',
        psn_no,
        CASE WHEN bool_and(is_elsewhere) THEN 'enrollment_elsewhere' ELSE 'enrollment' END,
        min(row_no),
        max(row_no)
    FROM relation_row
    WHERE psn_no IS NOT NULL
    GROUP BY person_key, psn_no
)

SELECT
    i.person_id,
    n.kind,
    n.value,
    n.source,
    f.delivery AS first_delivery,
    l.delivery AS last_delivery
FROM named AS n
INNER JOIN person_identity AS i ON n.person_key = i.person_key
LEFT JOIN staged_file AS f ON n.first_no // 4294967296 = f.file_no
LEFT JOIN staged_file AS l ON n.last_no // 4294967296 = l.file_no
