-- Batches that were sent out, with the division in use that each belongs to by now.
CREATE TABLE batch AS
SELECT b.*, coalesce(d.tree_no, p.tree_no, 1) AS tree
FROM read_parquet(getvariable('published').batch) AS b
LEFT JOIN division AS d ON b.division_code = d.division_code
LEFT JOIN code_place AS p ON b.division_code = p.code
ORDER BY b.batch_id;
