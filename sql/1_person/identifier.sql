-- title: 人员号码 / every number of a person
-- grain: one row per person, kind and number
-- rules: NB-2, DUP-8
-- publish: person_id, kind, value, source
-- joins: as written
-- columns:
--   person_id: the person [sensitive]
--   kind: certno, birth_cert_no, psn_no
--   value: the number, as the sources wrote it; plain 18-digit numbers in full [sensitive]
--   source: the first source that carries it
--   first_delivery: its oldest delivery in tonight's files
--   last_delivery: its newest one
WITH
carried AS (
    SELECT number_key, 1 AS bit, row_no // 4294967296 AS file_no, row_no // 4294967296 AS last_file_no
    FROM population_row
    UNION ALL
    SELECT number_key, CASE WHEN is_elsewhere THEN 32 ELSE 16 END, row_no // 4294967296, row_no // 4294967296
    FROM relation_row
    UNION ALL
    SELECT o.number_key, b.bit::INTEGER, o.row_no // 4294967296, o.row_no // 4294967296
    FROM other_row AS o
    INNER JOIN code_source_bit AS b ON o.source = b.code
    UNION ALL
    -- files are numbered by delivery within their source, so the first and the last row tell the deliveries
    SELECT number_key, 64, min(row_no) // 4294967296, max(row_no) // 4294967296
    FROM payment_row
    GROUP BY number_key
    UNION ALL
    SELECT person_key, 8192, first_no // 4294967296, first_no // 4294967296
    FROM history_person
    UNION ALL
    -- numbers that only point to another one: used-to-be numbers and birth certificates
    SELECT number_key(old_certno), 1, row_no // 4294967296, row_no // 4294967296
    FROM src_population
    WHERE old_certno IS NOT NULL
    UNION ALL
    SELECT c.birth_key, 2, min(b.row_no) // 4294967296, max(b.row_no) // 4294967296
    FROM birth_child AS c
    INNER JOIN staged_birth AS b ON c.birth_cert_no = b.birth_cert_no
    GROUP BY c.birth_key
),

numbered AS (
    SELECT
        c.number_key,
        min(c.bit) AS bit,
        min(f.delivery) AS first_delivery,
        max(l.delivery) AS last_delivery
    FROM carried AS c
    INNER JOIN staged_file AS f ON c.file_no = f.file_no
    INNER JOIN staged_file AS l ON c.last_file_no = l.file_no
    GROUP BY c.number_key
),

by_number AS (
    SELECT n.*, coalesce(l.person_key, n.number_key) AS person_key
    FROM numbered AS n
    LEFT JOIN number_link AS l ON n.number_key = l.number_key
),

named AS (
    SELECT person_key, 'certno' AS kind, key_text(number_key) AS value, bit, first_delivery, last_delivery
    FROM by_number
    WHERE number_key >= 0
    UNION ALL
    -- the 15-digit spelling stands beside the 18-digit form that it shares its key with
    SELECT
        n.person_key,
        CASE WHEN c.birth_key IS NULL THEN 'certno' ELSE 'birth_cert_no' END,
        s.number,
        CASE WHEN c.birth_key IS NULL THEN n.bit ELSE 2 END,
        n.first_delivery,
        n.last_delivery
    FROM by_number AS n
    INNER JOIN number_seen AS s ON n.number_key = s.number_key
    LEFT JOIN (SELECT DISTINCT birth_key FROM birth_child) AS c ON s.number_key = c.birth_key
    WHERE s.number_key < 0 OR length(s.number) <> 18
    UNION ALL
    SELECT p.person_key, 'psn_no', p.psn_no, p.bit, f.delivery, l.delivery
    FROM (
        SELECT
            person_key,
            any_value(psn_no) AS psn_no,
            min(CASE WHEN is_elsewhere THEN 32 ELSE 16 END) AS bit,
            min(row_no) // 4294967296 AS file_no,
            max(row_no) // 4294967296 AS last_file_no
        FROM relation_row
        WHERE psn_no IS NOT NULL
        GROUP BY person_key, join_key(psn_no)
    ) AS p
    INNER JOIN staged_file AS f ON p.file_no = f.file_no
    INNER JOIN staged_file AS l ON p.last_file_no = l.file_no
)

SELECT
    i.person_id,
    n.kind,
    n.value,
    b.code AS source,
    n.first_delivery,
    n.last_delivery
FROM named AS n
INNER JOIN person_identity AS i ON n.person_key = i.person_key
INNER JOIN (SELECT code, bit::INTEGER AS bit FROM code_source_bit) AS b ON n.bit = b.bit
