-- The rejected rows (quarantine) that a department is asked to send again, told by what they hold: a row that comes
-- unchanged in the next delivery is the same item. `rejected_hint` says which error codes are asked about, and how.
INSERT INTO wrong_row
WITH
rejected AS (
    SELECT
        q.*,
        h.suggestion,
        'rejected_share.' || q.source AS measure_id,
        item_hash(s.secret, q.source, 'rejected_share.' || q.source, q.error_code || ' ' || q.raw) AS item_id,
        content_hash(s.secret, q.raw) AS content
    FROM quarantine AS q
    INNER JOIN rejected_hint AS h ON h.error_code = q.error_code
    CROSS JOIN secret AS s
    QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY q.delivery DESC, q.file, q.line) = 1
)

SELECT
    r.source,
    r.measure_id,
    r.item_id,
    NULL AS division_code,
    r.delivery,
    r.file,
    r.line::INTEGER AS line,
    r.raw AS key_text,
    NULL AS shown,
    r.error_code || ':' || r.content AS content,
    r.message AS problem,
    r.suggestion,
    k.item_id IS NOT NULL AS known
FROM rejected AS r
LEFT JOIN known_item AS k ON k.measure_id = r.measure_id AND k.item_id = r.item_id;
