-- title: 行数突变 / rows of snapshot sources against the median of recent nights
-- grain: one row per measure and division: a district, or '' for the worst of the city as a whole and its districts
-- columns:
--   numerator: rows tonight; of the worst: places beyond the limit
--   denominator: median of the nights before; of the worst: places compared
--   value: difference over the median; null where fewer than three nights are known
--   enough: whether there is enough to judge by
WITH
recent AS (
    SELECT
        h.measure_id,
        h.division_code,
        median(h.numerator) AS usual,
        count(*) AS nights
    FROM measure_history AS h
    WHERE
        starts_with(h.measure_id, 'rows.')
        AND h.as_of IN (SELECT DISTINCT a.as_of FROM measure_history AS a ORDER BY a.as_of DESC LIMIT 14)
    GROUP BY h.measure_id, h.division_code
    HAVING count(*) >= 3
),

compared AS (
    SELECT
        d.measure_id,
        r.division_code,
        coalesce(c.numerator, 0) AS rows,
        r.usual,
        abs(coalesce(c.numerator, 0) - r.usual) / nullif(r.usual, 0) AS value,
        abs(coalesce(c.numerator, 0) - r.usual) >= d.least AS enough,
        d.threshold
    FROM measure_def AS d
    INNER JOIN recent AS r ON 'rows.' || d.source = r.measure_id
    LEFT JOIN measure_count AS c ON r.measure_id = c.measure_id AND r.division_code = c.division_code
    WHERE d.figure = 'figure_rows_change'
)

SELECT
    measure_id,
    division_code,
    rows AS numerator,
    usual::BIGINT AS denominator,
    value,
    enough
FROM compared
WHERE division_code <> ''
UNION ALL
SELECT
    d.measure_id,
    '' AS division_code,
    count(*) FILTER (c.enough AND c.value > c.threshold) AS numerator,
    count(c.measure_id) AS denominator,
    CASE WHEN count(c.measure_id) > 0 THEN coalesce(max(c.value) FILTER (c.enough), 0) END AS value,
    coalesce(bool_or(c.enough), false) AS enough
FROM measure_def AS d
LEFT JOIN compared AS c ON d.measure_id = c.measure_id
WHERE d.figure = 'figure_rows_change'
GROUP BY d.measure_id
