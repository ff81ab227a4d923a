SELECT r.*, h.state AS receipt_state, h.day, coalesce(h.decided_at, h.at) AS at
FROM returned_row AS r
INNER JOIN receipt AS h ON r.receipt_no = h.receipt_no
WHERE r.batch_no = :batch_no
ORDER BY r.serial, coalesce(h.decided_at, h.at), length(r.receipt_no), r.receipt_no, r.n
