SELECT
    tree, kind, dispatched, returned, outstanding, overdue, adopted, contradicted, not_adopted, enrolled_since,
    coalesce(zero_confirmed, false) AS zero_confirmed
FROM batch
WHERE tree BETWEEN $t0 AND $t1 AND state <> 'recalled';
