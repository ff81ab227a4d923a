-- How many of a file's keys stand in each download. $keys: distinct keys of the file; $column: which of the kept columns.
SELECT
    parse_filename(filename, true) AS serial,
    count(DISTINCT key) AS contained
FROM (
    SELECT
        filename,
        CASE $column
            WHEN 'mark' THEN mark
            WHEN 'number' THEN number::UBIGINT
            WHEN 'name_age' THEN name_age::UBIGINT
            WHEN 'name' THEN name::UBIGINT
        END AS key
    FROM read_parquet($files, filename = true)
)
WHERE key IN (SELECT unnest($keys::UBIGINT[]))
GROUP BY ALL
ORDER BY contained DESC, serial;
