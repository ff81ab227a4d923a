SELECT tree, state, kind, dispatched, returned, outstanding, overdue, adopted, contradicted, not_adopted, enrolled_since
FROM batch
WHERE tree BETWEEN $t0 AND $t1 AND state <> 'recalled';
