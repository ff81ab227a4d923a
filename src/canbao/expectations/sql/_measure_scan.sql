-- One pass over a table for all its measures and all districts at once: w<n> marks a wrong row of measure n, o<n> a row
-- that it is counted out of. Places are counted by six digits and only then led to the districts of today. Wrong rows
-- that a department is asked about are kept by number, so that no condition is computed twice. This is what
-- _measure_place.sql takes as `scanned`.
WITH
judged AS (
    SELECT substr({division}, 1, 6) AS place, {row_no} AS row_no, {flags}
    FROM {table} AS t
    CROSS JOIN run_input AS run
),

counted AS (
    SELECT place, [{pairs}] AS pairs
    FROM judged
    GROUP BY place
)

SELECT place, unnest(pairs, max_depth := 2)
FROM counted
