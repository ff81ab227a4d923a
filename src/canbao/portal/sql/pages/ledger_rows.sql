SELECT division_code, division_name, level, is_unplaced, tree, measure, value
FROM (
    SELECT division_code, division_name, level, is_unplaced, tree, measure, value
    FROM ledger
    WHERE basis = $basis AND parent_tree = $tree
    UNION ALL
    SELECT division_code, division_name, level, is_unplaced, tree, measure, value
    FROM ledger
    WHERE basis = $basis AND tree = $tree AND NOT is_unplaced
) AS found
ORDER BY is_unplaced, tree, measure;
