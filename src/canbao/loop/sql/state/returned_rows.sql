SELECT * FROM returned_row WHERE receipt_no = :receipt_no ORDER BY n
