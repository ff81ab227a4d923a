-- title: 台账数字突变 / figures of the ledger against the median of recent nights
-- grain: one row per measure and division: a district, or '' for the worst of the city and its districts
-- columns:
--   numerator: the figure tonight; of the worst: places beyond the limit
--   denominator: median of the nights before, of the same insured year; of the worst: places compared
--   value: difference over the median, on the basis where it is larger; null where fewer than three nights are known
--   enough: whether there is enough to judge by
WITH
recent AS (
    SELECT
        h.measure_id,
        h.division_code,
        median(h.numerator) AS usual
    FROM measure_history AS h
    INNER JOIN run_input ON h.insu_year = run_input.insured_year
    WHERE
        starts_with(h.measure_id, 'ledger.')
        AND h.as_of IN (SELECT DISTINCT a.as_of FROM measure_history AS a ORDER BY a.as_of DESC LIMIT 7)
    GROUP BY h.measure_id, h.division_code
    HAVING count(*) >= 3
),

compared AS (
    SELECT
        d.measure_id,
        r.division_code,
        f.numerator,
        r.usual,
        abs(f.numerator - r.usual) / nullif(r.usual, 0) AS value,
        abs(f.numerator - r.usual) >= d.least AS enough,
        d.threshold
    FROM measure_def AS d
    INNER JOIN ledger_figure AS f ON replace(d.measure_id, 'ledger.sudden_', '') = split_part(f.measure_id, '.', 3)
    INNER JOIN recent AS r ON f.measure_id = r.measure_id AND f.division_code = r.division_code
    WHERE d.figure = 'figure_sudden'
)

SELECT
    measure_id,
    division_code,
    arg_max(numerator, coalesce(value, 0)) AS numerator,
    arg_max(usual, coalesce(value, 0))::BIGINT AS denominator,
    max(value) AS value,
    arg_max(enough, coalesce(value, 0)) AS enough
FROM compared
WHERE division_code <> ''
GROUP BY measure_id, division_code
UNION ALL
SELECT
    d.measure_id,
    '' AS division_code,
    count(DISTINCT c.division_code) FILTER (c.enough AND c.value > c.threshold) AS numerator,
    count(DISTINCT c.division_code) AS denominator,
    CASE WHEN count(c.measure_id) > 0 THEN coalesce(max(c.value) FILTER (c.enough), 0) END AS value,
    coalesce(bool_or(c.enough), false) AS enough
FROM measure_def AS d
LEFT JOIN compared AS c ON d.measure_id = c.measure_id
WHERE d.figure = 'figure_sudden'
GROUP BY d.measure_id
