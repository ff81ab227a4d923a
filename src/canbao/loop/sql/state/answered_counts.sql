-- A village's rows are closed by its own answers; in a township's batch rows carry the villages they are answered for.
SELECT r.batch_no, count(DISTINCT r.serial) AS answered
FROM returned_row AS r
INNER JOIN receipt AS h ON r.receipt_no = h.receipt_no
INNER JOIN batch AS b ON r.batch_no = b.batch_no
WHERE
    h.state = :state AND r.state IN ('new', 'changed', 'same', 'settled')
    AND r.batch_no IN (SELECT value FROM json_each(:numbers))
    AND (b.level < 4 OR r.division_code = b.division_code)
GROUP BY r.batch_no
