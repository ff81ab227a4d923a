INSERT INTO returned_row
VALUES (
    :receipt_no, :n, :sheet, :line, :row_code, :batch_no, :serial, :person_id, :certno, :division_code,
    :reason_code, :found_date, :end_date, :note, :reporter, :state, :checks, :raw
)
