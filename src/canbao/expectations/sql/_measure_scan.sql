-- One pass over a table for all its measures and all districts at once: w<n> marks a wrong row of measure n, o<n> a row
-- that it is counted out of. Rows of one place that are marked alike are counted together first, so that a row costs a
-- test per measure and one group, and not two counts and a list per measure. Places are counted by six digits and only
-- then led to the districts of today. Wrong rows that a department is asked about are kept by number, so that no
-- condition is computed twice. This is what _measure_place.sql takes as `scanned`.
WITH
judged AS (
    SELECT substr({division}, 1, 6) AS place, {row_no} AS row_no, {flags}
    FROM {table} AS t
    CROSS JOIN run_input AS run
),

marked AS (
    SELECT place, row_no, {marks} AS marks
    FROM judged
),

alike AS (
    SELECT place, marks, count(*) AS rows, list(row_no) FILTER ((marks & {sent}) <> 0) AS lines
    FROM marked
    GROUP BY place, marks
),

-- the mark of a row that is wrong by a measure, and of one that it is counted out of: 0 is every row's
told AS (
    SELECT [{measures}] AS measures
),

sought AS (
    SELECT unnest(measures, max_depth := 2)
    FROM told
)

SELECT
    a.place,
    s.measure_id,
    coalesce(sum(a.rows) FILTER ((a.marks & s.wrong_mark) = s.wrong_mark), 0)::BIGINT AS numerator,
    coalesce(sum(a.rows) FILTER ((a.marks & s.of_mark) = s.of_mark), 0)::BIGINT AS denominator,
    flatten(list(a.lines) FILTER (s.is_sent AND (a.marks & s.wrong_mark) = s.wrong_mark))::BIGINT[] AS wrong
FROM alike AS a
CROSS JOIN sought AS s
GROUP BY a.place, s.measure_id
