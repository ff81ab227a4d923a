CREATE TABLE bridge AS
SELECT b.basis, d.tree_no AS tree, b.measure, b.cause, b.previous, b.delta, b.value
FROM read_parquet(getvariable('published').bridge) AS b
INNER JOIN division AS d ON b.division_code = d.division_code;
