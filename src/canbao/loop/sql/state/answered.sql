-- Rows that need no answer any more: one came back and was confirmed, or the person turned out to be insured.
SELECT r.person_id, r.division_code, r.batch_no, r.serial, max(h.day) AS day
FROM returned_row AS r
INNER JOIN receipt AS h ON r.receipt_no = h.receipt_no
WHERE
    h.state = 'confirmed' AND r.state IN ('new', 'changed', 'same', 'settled') AND r.person_id IS NOT NULL
GROUP BY r.person_id, r.division_code, r.batch_no, r.serial
