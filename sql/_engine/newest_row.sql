-- The newest row of each key of a source: a later delivery or a later line replaces the earlier row (contract 2).
-- Few keys are repeated: a hash finds the suspicious ones in one pass, so that only they are compared as text.
-- A row without the first part of its key repeats nobody.
CREATE TABLE superseded_{source} AS
WITH
suspicious AS (
    SELECT hash({key}) AS key_hash
    FROM staged_{source}
    WHERE {first_key} IS NOT NULL
    GROUP BY key_hash
    HAVING count(*) > 1
),

ranked AS (
    SELECT row_no, max(row_no) OVER (PARTITION BY {key}) AS newest_row_no
    FROM staged_{source}
    WHERE {first_key} IS NOT NULL AND hash({key}) IN (SELECT key_hash FROM suspicious)
)

SELECT row_no
FROM ranked
WHERE row_no < newest_row_no;

CREATE VIEW src_{source} AS
SELECT s.*
FROM staged_{source} AS s
WHERE s.row_no NOT IN (SELECT row_no FROM superseded_{source})
