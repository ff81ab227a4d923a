CREATE TABLE verdict AS
SELECT product, title, verdict, check_ids, reason
FROM read_parquet(getvariable('published').verdict);
