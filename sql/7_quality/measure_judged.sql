-- title: 指标及其判断 / measures with what is judged
-- grain: one row per measure and division
-- columns:
--   judged: the value that the threshold is laid against: without known rows, 0 where too few rows are wrong
WITH
counted AS (
    SELECT
        c.measure_id,
        c.division_code,
        c.numerator,
        c.denominator,
        CASE WHEN c.denominator > 0 THEN c.numerator::DOUBLE / c.denominator WHEN c.denominator = 0 THEN 0 END AS value,
        coalesce(k.known, 0) AS known,
        d.threshold,
        CASE
            WHEN c.numerator IS NULL THEN NULL
            WHEN c.numerator - coalesce(k.known, 0) < d.least OR c.denominator = 0 THEN 0
            ELSE (c.numerator - coalesce(k.known, 0))::DOUBLE / c.denominator
        END AS judged
    FROM measure_count AS c
    INNER JOIN measure_def AS d ON c.measure_id = d.measure_id
    LEFT JOIN known_count AS k ON c.measure_id = k.measure_id AND c.division_code = k.division_code
),

figure AS (
    SELECT * FROM figure_age
    UNION ALL BY NAME
    SELECT * FROM figure_received
    UNION ALL BY NAME
    SELECT * FROM figure_same_again
    UNION ALL BY NAME
    SELECT * FROM figure_drift
    UNION ALL BY NAME
    SELECT * FROM figure_rows_change
    UNION ALL BY NAME
    SELECT * FROM figure_delivery_small
    UNION ALL BY NAME
    SELECT * FROM figure_total_fallen
    UNION ALL BY NAME
    SELECT * FROM figure_sudden
    UNION ALL BY NAME
    SELECT * FROM figure_season
    UNION ALL BY NAME
    SELECT * FROM figure_vanished
    UNION ALL BY NAME
    SELECT * FROM figure_tax
    UNION ALL BY NAME
    SELECT * FROM figure_finding
)

SELECT measure_id, division_code, numerator, denominator, value, threshold, known, judged
FROM counted
UNION ALL
SELECT
    f.measure_id,
    f.division_code,
    f.numerator,
    f.denominator,
    f.value,
    d.threshold,
    0 AS known,
    CASE WHEN f.enough OR f.value IS NULL THEN f.value ELSE 0 END AS judged
FROM figure AS f
INNER JOIN measure_def AS d ON f.measure_id = d.measure_id
