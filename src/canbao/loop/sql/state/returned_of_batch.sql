SELECT r.*, h.state AS receipt_state, h.day, h.at
FROM returned_row AS r
INNER JOIN receipt AS h ON r.receipt_no = h.receipt_no
WHERE r.batch_no = :batch_no
ORDER BY r.serial, h.at, r.receipt_no, r.n
