-- The wrong rows of one source, for all its measures in one pass. Each measure is one entry of the list, null where the
-- row is right. A row without the first part of its key is told by all it holds, so that twins are one item.
INSERT INTO wrong_row
WITH
failing AS (
    SELECT
        t.row_no,
        concat_ws(' / ', {key}) AS key_text,
        CASE WHEN t.{first_key} IS NULL THEN concat_ws('|', {fields}) ELSE concat_ws('|', {key_parts}) END AS key_value,
        list_filter([
            {measures}
        ], lambda x: x IS NOT NULL) AS found
    FROM {table} AS t
    CROSS JOIN run_input AS run
    WHERE {any_wrong}
),

item AS (
    SELECT row_no, key_text, key_value, unnest(found, recursive := true)
    FROM failing
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
