UPDATE batch SET state = 'recalled', recalled_at = :at, recalled_by = :account
WHERE batch_no = :batch_no AND state = 'open'
