-- batches whose figures do not add up: sent = answered + outstanding, answered = adopted + contradicted + not adopted;
-- and batches of which another number of rows is known than was sent
SELECT b.*
FROM {batch} AS b
LEFT JOIN (
  SELECT batch_id, count(*) AS sent_rows
  FROM sent_row
  GROUP BY batch_id
) AS r ON b.batch_id = r.batch_id
WHERE
  b.dispatched <> b.returned + b.outstanding
  OR b.returned <> b.adopted + b.contradicted + b.not_adopted
  OR b.not_adopted < b.disputed + b.closed
  OR b.outstanding < b.overdue
  OR b.dispatched < b.enrolled_since
  OR b.dispatched <> coalesce(r.sent_rows, 0)
