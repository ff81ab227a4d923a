UPDATE batch SET zero_at = :at, zero_by = :account
WHERE batch_no = :batch_no AND kind = 'zero' AND state = 'open' AND zero_at IS NULL
