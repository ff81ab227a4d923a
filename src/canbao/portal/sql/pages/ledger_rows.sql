SELECT division_code, division_name, level, is_unplaced, tree, measure, value
FROM (
    SELECT division_code, division_name, level, is_unplaced, tree, measure, value
    FROM ledger
    WHERE basis = $basis AND parent_tree = $tree AND (is_unplaced OR NOT $unplaced)
    UNION ALL
    SELECT division_code, division_name, level, is_unplaced, tree, measure, value
    FROM ledger
    WHERE basis = $basis AND tree = $tree AND NOT is_unplaced AND NOT $unplaced
) AS found
ORDER BY is_unplaced, tree, measure;
