-- How often each code of a column comes (`code_seen`), so that the next night can tell whether a code table changed, and
-- which of them no table has: few, so that the scan looks for these instead of looking up every row. What no table has may
-- be anything, a person's name too: it is counted under one sign, because the counts are published and kept (U9).
INSERT INTO wrong_code
SELECT '{source}' AS source, '{field}' AS field, s.code
FROM code_seen AS s
WHERE s.code <> '' AND s.code NOT IN (SELECT t.code FROM code_{codes} AS t);

INSERT INTO code_count
SELECT '{source}', '{field}', CASE WHEN w.code IS NULL THEN s.code ELSE '?' END AS code, sum(s.rows)::BIGINT
FROM code_seen AS s
LEFT JOIN wrong_code AS w ON s.code = w.code AND w.source = '{source}' AND w.field = '{field}'
GROUP BY CASE WHEN w.code IS NULL THEN s.code ELSE '?' END;
