-- title: 人员号码 / every number of a person
-- grain: one row per person, kind and number
-- rules: NB-2, DUP-8
-- publish: person_id, kind, value, source
-- joins: as written
-- parts: computed
-- columns:
--   person_id: the person [sensitive]
--   kind: certno, birth_cert_no, psn_no
--   value: the number, as the sources wrote it; plain 18-digit numbers in full [sensitive]
--   source: the first source that carries it, in whatever spelling
--   first_delivery: its oldest delivery in tonight's files
--   last_delivery: its newest one
WITH
by_number AS (
    SELECT
        person_key,
        number_key,
        told_bits & -told_bits AS bit, -- the lowest: sources are numbered in the order in which they are named
        first_delivery,
        last_delivery
    FROM number_source
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
