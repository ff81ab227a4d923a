-- title: 与上一参保年度同期相比 / shares of the ledger against the same day of last year's window
-- grain: one row per measure and division: a district, or '' for the worst of the city and its districts
-- columns:
--   numerator: people tonight; of the worst: places beyond the limit
--   denominator: should_be_insured tonight; of the worst: places compared
--   value: difference of the two shares; null where no night within three days of that day is known
--   enough: whether there is enough to judge by
WITH
nearest AS (
    SELECT max_by(h.as_of, -abs(date_diff('day', (run_input.as_of - INTERVAL 1 YEAR)::DATE, h.as_of))) AS as_of
    FROM measure_history AS h
    INNER JOIN run_input ON h.insu_year = run_input.insured_year - 1
    WHERE abs(date_diff('day', (run_input.as_of - INTERVAL 1 YEAR)::DATE, h.as_of)) <= 3
),

last_year AS (
    SELECT h.measure_id, h.division_code, h.numerator
    FROM measure_history AS h
    INNER JOIN nearest AS n ON h.as_of = n.as_of
    WHERE starts_with(h.measure_id, 'ledger.household.')
),

compared AS (
    SELECT
        d.measure_id,
        f.division_code,
        f.numerator,
        s.numerator AS should_be,
        abs(f.numerator::DOUBLE / nullif(s.numerator, 0) - b.numerator::DOUBLE / nullif(o.numerator, 0)) AS value,
        abs(f.numerator - b.numerator) >= d.least AS enough,
        d.threshold
    FROM measure_def AS d
    INNER JOIN ledger_figure AS f ON 'ledger.household.' || replace(d.measure_id, 'ledger.season_', '') = f.measure_id
    INNER JOIN ledger_figure AS s ON s.measure_id = 'ledger.household.should_be_insured' AND f.division_code = s.division_code
    INNER JOIN last_year AS b ON f.measure_id = b.measure_id AND f.division_code = b.division_code
    INNER JOIN last_year AS o ON o.measure_id = 'ledger.household.should_be_insured' AND f.division_code = o.division_code
    WHERE d.figure = 'figure_season'
)

SELECT measure_id, division_code, numerator, should_be AS denominator, value, enough
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
WHERE d.figure = 'figure_season'
GROUP BY d.measure_id
