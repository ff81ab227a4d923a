SELECT measure, value
FROM ledger
WHERE basis = $basis AND tree = $tree AND NOT is_unplaced
ORDER BY measure;
