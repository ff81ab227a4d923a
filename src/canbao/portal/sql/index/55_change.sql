CREATE TABLE change AS
SELECT person_id::UUID AS person_id, was, "is", reason_was, reason_is, cause, detail
FROM read_parquet(getvariable('published').change);
