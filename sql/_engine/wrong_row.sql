-- The wrong rows of one source, by the numbers that the scan of its measures kept. A row without the first part of its
-- key is told by all it holds, so that twins are one item.
INSERT INTO wrong_row
WITH
item AS (
    SELECT
        w.measure_id,
        w.row_no,
        concat_ws(' / ', {key}) AS key_text,
        {key_value} AS key_value,
        CASE w.measure_id
            {divisions}
        END AS division_code,
        CASE w.measure_id
            {shown}
        END AS shown,
        CASE w.measure_id
            {names}
        END AS names
    FROM wrong_line AS w
    INNER JOIN src_{source} AS t ON t.row_no = w.row_no
    CROSS JOIN run_input AS run
    WHERE w.measure_id IN ({measure_ids})
),

hashed AS (
    SELECT
        item.* EXCLUDE (names, key_value),
        item_hash(s.secret, '{source}', item.measure_id, item.key_value) AS item_id,
        item.names || ':' || content_hash(s.secret, item.shown) AS content
    FROM item
    CROSS JOIN secret AS s
    QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY row_no DESC) = 1
)

SELECT
    '{source}' AS source,
    h.measure_id,
    h.item_id,
    h.division_code,
    f.delivery,
    f.file,
    (h.row_no & 4294967295)::INTEGER AS line,
    h.key_text,
    h.shown,
    h.content,
    NULL AS problem,
    NULL AS suggestion,
    k.item_id IS NOT NULL AND (h.content = k.content OR split_part(h.content, ':', 1) <> split_part(k.content, ':', 1))
        AS known
FROM hashed AS h
INNER JOIN staged_file AS f ON f.file_no = (h.row_no >> 32)
LEFT JOIN known_item AS k ON k.measure_id = h.measure_id AND k.item_id = h.item_id;
