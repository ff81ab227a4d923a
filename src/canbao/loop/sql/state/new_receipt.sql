INSERT INTO receipt
VALUES (
    :receipt_no, :at, :day, :account, :holder, :role, :division_code, :file_name, :sha256, :state,
    :decided_by, :decided_at, :decision_note, :accepted, :hints, :blank, :refused, :settled, :same, :landed
)
