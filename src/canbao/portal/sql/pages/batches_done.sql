-- Lists whose day has passed that have rows without an answer, and nobody left to ask: all of them insured, or gone.
SELECT batch_id
FROM batch
WHERE tree BETWEEN $t0 AND $t1 AND kind = 'list' AND state = 'open' AND due < $day AND overdue = 0;
