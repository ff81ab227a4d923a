-- How often each code of a column comes.
SELECT coalesce({field}, '') AS code, count(*) AS rows
FROM staged_{source}
GROUP BY {field}
