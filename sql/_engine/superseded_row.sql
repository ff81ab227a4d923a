-- The rows of a source that a later delivery or a later line with the same key replaces (contract 2).
-- Few keys are repeated: a hash finds the suspicious ones in one pass, so that only they are compared as text.
-- A row without the first part of its key repeats nobody.
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
WHERE row_no < newest_row_no
