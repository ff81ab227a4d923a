-- of what was sent, the rows that came back: by row code, or by the number in a batch that is named.
-- grain: one row per sent row
SELECT s.*
FROM all_sent AS s
WHERE
    s.row_code IN (SELECT r.code FROM returned AS r WHERE r.code IS NOT NULL)
    OR (s.batch_no, s.person_id) IN (
        SELECT r.batch_said, f.person_id
        FROM returned AS r
        INNER JOIN asked_number AS a ON r.n = a.n
        INNER JOIN fact_number AS f ON a.value = f.value
        WHERE NOT r.has_code AND r.batch_said IS NOT NULL
    )
