-- Of a process that writes one list at a time: rows come in batches, and what was read once is not read again.
SET memory_limit = '24MB';
