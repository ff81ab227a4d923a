-- title: 号码来源 / which sources carry a number, and in which deliveries
-- grain: one row per number that a source carries as somebody's, or points to, and its person
-- rules: NB-2
-- joins: as written
-- parts: computed
-- columns:
--   source_bits: sources that carry it as somebody's number (code_source_bit); 0 where it is only pointed to
--   told_bits: the same, and sources that point to it as a used-to-be number or a birth certificate's
--   first_delivery, last_delivery: oldest and newest delivery that has it
WITH
carried AS (
    SELECT
        number_key,
        person_key,
        1 AS bit,
        1 AS told_bit,
        row_no // 4294967296 AS file_no,
        row_no // 4294967296 AS last_file_no
    FROM population_row
    UNION ALL
    SELECT
        number_key,
        person_key,
        CASE WHEN is_elsewhere THEN 32 ELSE 16 END,
        CASE WHEN is_elsewhere THEN 32 ELSE 16 END,
        row_no // 4294967296,
        row_no // 4294967296
    FROM relation_row
    UNION ALL
    SELECT o.number_key, o.person_key, b.bit::INTEGER, b.bit::INTEGER, o.row_no // 4294967296, o.row_no // 4294967296
    FROM other_row AS o
    INNER JOIN code_source_bit AS b ON o.source = b.code
    UNION ALL
    -- files are numbered by delivery within their source, so the first and the last row tell the deliveries
    SELECT number_key, person_key, 64, 64, min(row_no) // 4294967296, max(row_no) // 4294967296
    FROM payment_row
    GROUP BY number_key, person_key
    UNION ALL
    SELECT person_key, person_key, 8192, 8192, first_no // 4294967296, first_no // 4294967296
    FROM history_person
    UNION ALL
    SELECT number_key, person_key, 0, told_bit, file_no, last_file_no
    FROM pointed_number
)

SELECT
    c.number_key,
    c.person_key,
    bit_or(c.bit)::INTEGER AS source_bits,
    bit_or(c.told_bit)::INTEGER AS told_bits,
    min(f.delivery) AS first_delivery,
    max(l.delivery) AS last_delivery
FROM carried AS c
-- nobody is lost for a file's sake
LEFT JOIN staged_file AS f ON c.file_no = f.file_no
LEFT JOIN staged_file AS l ON c.last_file_no = l.file_no
GROUP BY c.number_key, c.person_key
