INSERT INTO round
VALUES (
    :round_no, :at, :sent, :due, :by_account, :by_division, :level, :publication, :filters, :batches, :rows
)
