-- Divisions in use, in the order of the tree; and the division in use that a delivered or former code lies in.
CREATE TABLE division AS
SELECT division_code, division_name, level, parent_code, l1, l2, l3, l4, tree_no, tree_last
FROM read_parquet(getvariable('published').division)
ORDER BY tree_no;

CREATE TABLE code_place AS
SELECT c.code, d.tree_no, d.division_code AS place_code
FROM read_parquet(getvariable('published').division_code) AS c
INNER JOIN division AS d ON c.place_code = d.division_code
ORDER BY c.code;
