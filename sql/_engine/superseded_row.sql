-- The rows of a source that a later delivery or a later line with the same key replaces (contract 2).
-- Few keys are repeated: hashes that come more than once, of those in key_hash.sql, tell which rows are to be compared as
-- text.
WITH
ranked AS (
    SELECT row_no, max(row_no) OVER (PARTITION BY {key}) AS newest_row_no
    FROM staged_{source}
    WHERE {first_key} IS NOT NULL AND hash({key}) IN (SELECT r.key_hash FROM {suspicious} AS r)
)

SELECT row_no
FROM ranked
WHERE row_no < newest_row_no
