-- How often each code of a column comes, so that the next night can tell whether a code table changed, and which of them no
-- table has: few, so that the scan looks for these instead of looking up every row.
INSERT INTO code_count
SELECT '{source}' AS source, '{field}' AS field, coalesce({field}, '') AS code, count(*) AS rows
FROM staged_{source}
GROUP BY {field};

INSERT INTO wrong_code
SELECT c.source, c.field, c.code
FROM code_count AS c
WHERE
    c.source = '{source}' AND c.field = '{field}' AND c.code <> ''
    AND c.code NOT IN (SELECT t.code FROM code_{codes} AS t);
