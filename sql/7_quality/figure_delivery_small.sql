-- title: 批次明显偏小 / the newest delivery of an increment against those before
-- grain: one row per measure
-- columns:
--   numerator: rows of the newest delivery
--   denominator: median of the deliveries before it, three promised rhythms back
--   value: what it lacks of the median; null where fewer than five such deliveries are known
--   enough: whether there is enough to judge by
WITH
sized AS (
    SELECT source, delivery, sum(rows_accepted)::BIGINT AS rows
    FROM delivered_file
    GROUP BY source, delivery
),

-- what came before the daily deliveries began (whole past years in one file) says nothing about a day
compared AS (
    SELECT
        z.source,
        max(z.rows) FILTER (z.delivery = s.delivery) AS rows,
        median(z.rows) FILTER (z.delivery < s.delivery) AS usual,
        count(*) - 1 AS earlier
    FROM sized AS z
    INNER JOIN source_delivery AS s ON z.source = s.source
    WHERE z.delivery >= s.delivery - 3 * s.rhythm_days
    GROUP BY z.source
)

SELECT
    d.measure_id,
    '' AS division_code,
    c.rows AS numerator,
    c.usual::BIGINT AS denominator,
    CASE WHEN c.earlier >= 5 THEN greatest(0, 1 - c.rows / nullif(c.usual, 0)) END AS value,
    coalesce(c.usual >= d.least, false) AS enough
FROM measure_def AS d
LEFT JOIN compared AS c ON d.source = c.source
WHERE d.figure = 'figure_delivery_small'
