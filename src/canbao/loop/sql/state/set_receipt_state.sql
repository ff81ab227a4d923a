UPDATE receipt
SET
    state = :state,
    day = coalesce(:day, day),
    decided_by = :decided_by,
    decided_at = :decided_at,
    decision_note = :decision_note,
    landed = coalesce(:landed, landed),
    same = coalesce(:same, same)
WHERE receipt_no = :receipt_no AND state = :was
