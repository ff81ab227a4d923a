-- title: 来文距今天数 / age of deliveries against their promised rhythm
-- grain: one row per measure
-- columns:
--   numerator: days from the newest delivery to the as-of date
--   denominator: promised days between two deliveries
--   value: numerator over denominator
--   enough: whether there is enough to judge by
SELECT
    d.measure_id,
    '' AS division_code,
    date_diff('day', s.delivery, run_input.as_of)::BIGINT AS numerator,
    s.rhythm_days::BIGINT AS denominator,
    date_diff('day', s.delivery, run_input.as_of)::DOUBLE / s.rhythm_days AS value,
    true AS enough
FROM measure_def AS d
INNER JOIN source_delivery AS s ON d.source = s.source
CROSS JOIN run_input
WHERE d.figure = 'figure_age'
