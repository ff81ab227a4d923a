-- title: 旧文件重报 / old files delivered again under a new date
-- grain: one row per measure
-- columns:
--   numerator: files of the newest delivery whose bytes an earlier delivery had
--   denominator: files of the newest delivery; small files may well be alike
--   value: numerator over denominator
--   enough: whether there is enough to judge by
WITH
newest AS (
    SELECT f.source, f.sha256, f.delivery
    FROM delivered_file AS f
    INNER JOIN source_delivery AS s ON f.source = s.source AND f.delivery = s.delivery
    WHERE f.rows_accepted >= 20
),

seen AS (
    SELECT source, sha256, min(delivery) AS first_delivery
    FROM (
        SELECT source, sha256, delivery FROM delivered_file
        UNION ALL
        SELECT source, sha256, delivery FROM seen_file
    ) AS every_file
    GROUP BY source, sha256
)

SELECT
    d.measure_id,
    '' AS division_code,
    count(*) FILTER (seen.first_delivery < n.delivery) AS numerator,
    count(n.sha256) AS denominator,
    CASE
        WHEN count(n.sha256) > 0 THEN count(*) FILTER (seen.first_delivery < n.delivery)::DOUBLE / count(n.sha256) ELSE 0
    END AS value,
    true AS enough
FROM measure_def AS d
LEFT JOIN newest AS n ON d.source = n.source
LEFT JOIN seen ON n.source = seen.source AND n.sha256 = seen.sha256
WHERE d.figure = 'figure_same_again'
GROUP BY d.measure_id
