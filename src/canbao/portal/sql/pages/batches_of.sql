SELECT *
FROM batch
WHERE batch_id IN (SELECT unnest($ids));
