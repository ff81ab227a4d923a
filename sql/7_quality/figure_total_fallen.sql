-- title: 累计行数减少 / increments that have fewer rows than the night before
-- grain: one row per measure
-- columns:
--   numerator: rows that are gone
--   denominator: rows of the night before
--   value: numerator over denominator; null where no earlier night is known
--   enough: whether there is enough to judge by
WITH
last_night AS (
    SELECT h.measure_id, arg_max(h.numerator, h.as_of) AS rows
    FROM measure_history AS h
    WHERE starts_with(h.measure_id, 'rows.') AND h.division_code = ''
    GROUP BY h.measure_id
)

SELECT
    d.measure_id,
    '' AS division_code,
    greatest(0, l.rows - c.numerator) AS numerator,
    l.rows AS denominator,
    greatest(0, l.rows - c.numerator)::DOUBLE / nullif(l.rows, 0) AS value,
    coalesce(l.rows - c.numerator >= d.least, false) AS enough
FROM measure_def AS d
LEFT JOIN measure_count AS c ON 'rows.' || d.source = c.measure_id AND c.division_code = ''
LEFT JOIN last_night AS l ON c.measure_id = l.measure_id
WHERE d.figure = 'figure_total_fallen'
