-- A batch has the rows that it was sent with, whatever became of it since.
INSERT INTO sent_row
SELECT r.row_code, r.batch_no, b.batch_id, r.serial, r.person_id, r.division_code, r.role, r.sent, r.due
FROM read_parquet($files) AS r
INNER JOIN sent_batch AS b ON r.batch_no = b.batch_no
