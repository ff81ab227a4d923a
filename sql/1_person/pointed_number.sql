-- title: 被提到的号码 / numbers that a row with another number points to
-- grain: one row per population row with a used-to-be number, and per birth certificate
-- rules: NB-2
-- columns:
--   number_key: the number pointed to
--   told_bit: the source (code_source_bit)
--   file_no, last_file_no: oldest and newest file that points to it
WITH
pointed AS (
    SELECT
        number_key(old_certno) AS number_key,
        1 AS told_bit,
        row_no // 4294967296 AS file_no,
        row_no // 4294967296 AS last_file_no
    FROM src_population
    WHERE old_certno IS NOT NULL
    UNION ALL
    SELECT c.birth_key, 2, min(b.row_no) // 4294967296, max(b.row_no) // 4294967296
    FROM staged_birth AS b
    INNER JOIN birth_child AS c ON b.birth_cert_no = c.birth_cert_no
    GROUP BY c.birth_key
    UNION ALL
    -- a child's number that an earlier row gave and the newest leaves out
    SELECT number_key(c.own_certno), 2, min(b.row_no) // 4294967296, max(b.row_no) // 4294967296
    FROM staged_birth AS b
    INNER JOIN birth_child AS c ON b.birth_cert_no = c.birth_cert_no AND b.certno = c.own_certno
    WHERE c.certno IS NULL
    GROUP BY number_key(c.own_certno)
)

SELECT
    p.number_key,
    coalesce(l.person_key, p.number_key) AS person_key,
    p.told_bit,
    p.file_no,
    p.last_file_no
FROM pointed AS p
LEFT JOIN number_link AS l ON p.number_key = l.number_key
