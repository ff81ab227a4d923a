-- How often each code of a column comes, so that the next night can tell whether a code table changed.
INSERT INTO code_count
SELECT '{source}' AS source, '{field}' AS field, coalesce({field}, '') AS code, count(*) AS rows
FROM staged_{source}
GROUP BY {field};
