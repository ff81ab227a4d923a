-- The ledger with the children of a division beside each other, their 未落地 row last.
CREATE TABLE ledger AS
SELECT
    CASE WHEN ends_with(l.division_code, '-') THEN d.tree_no ELSE coalesce(u.tree_no, 0) END AS parent_tree,
    l.basis,
    ends_with(l.division_code, '-') AS is_unplaced,
    d.tree_no AS tree,
    l.level,
    l.division_code,
    l.division_name,
    l.measure,
    l.value
FROM read_parquet(getvariable('published').ledger) AS l
INNER JOIN division AS d ON rtrim(l.division_code, '-') = d.division_code
LEFT JOIN division AS u ON d.parent_code = u.division_code
ORDER BY parent_tree, l.basis, is_unplaced, tree, l.measure;
