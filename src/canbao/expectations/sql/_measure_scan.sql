-- One pass over a table for all its measures and all districts at once: w<n> marks a wrong row of measure n, o<n> a row
-- that it is counted out of. Places are counted by six digits and only then led to the districts of today.
INSERT INTO measure_count
WITH
judged AS (
    SELECT substr({division}, 1, 6) AS place, {flags}
    FROM {table} AS t
    CROSS JOIN run_input AS run
),

counted AS (
    SELECT place, unnest([{pairs}], recursive := true)
    FROM judged
    GROUP BY place
),

placed AS (
    SELECT d.l2 AS district, c.measure_id, c.numerator, c.denominator
    FROM counted AS c
    LEFT JOIN division_successor AS s ON code12(c.place) = s.division_code
    LEFT JOIN division_now AS d ON s.current_code = d.division_code
)

SELECT measure_id, coalesce(district, '') AS division_code, sum(numerator)::BIGINT, sum(denominator)::BIGINT
FROM placed
GROUP BY GROUPING SETS ((measure_id), (measure_id, district))
HAVING grouping(district) = 1 OR district IS NOT NULL;
