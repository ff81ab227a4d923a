-- One pass over a table for all its measures and all districts at once: w<n> marks a wrong row of measure n, o<n> a row
-- that it is counted out of. Places are counted by six digits and only then led to the districts of today. Wrong rows
-- that a department is asked about are kept by number, so that no condition is computed twice.
CREATE OR REPLACE TEMP TABLE scanned AS
WITH
judged AS (
    SELECT substr({division}, 1, 6) AS place, {row_no} AS row_no, {flags}
    FROM {table} AS t
    CROSS JOIN run_input AS run
)

SELECT place, unnest([{pairs}], max_depth := 2)
FROM judged
GROUP BY place;

INSERT INTO measure_count
WITH
placed AS (
    SELECT d.l2 AS district, c.measure_id, c.numerator, c.denominator
    FROM scanned AS c
    LEFT JOIN division_successor AS s ON code12(c.place) = s.division_code
    LEFT JOIN division_now AS d ON s.current_code = d.division_code
)

SELECT measure_id, coalesce(district, '') AS division_code, sum(numerator)::BIGINT, sum(denominator)::BIGINT
FROM placed
GROUP BY GROUPING SETS ((measure_id), (measure_id, district))
HAVING grouping(district) = 1 OR district IS NOT NULL;

INSERT INTO wrong_line
SELECT measure_id, unnest(wrong)
FROM scanned;
