-- title: 疑点占比 / findings of a kind against the insured
-- grain: one row per measure
-- rules: LED-5, LED-7
-- columns:
--   numerator: findings
--   denominator: insured people, whichever basis counts them
--   value: numerator over denominator
--   enough: whether there is enough to judge by
WITH
found AS (
    SELECT 'anomaly.' || kind AS measure_id, count(*) AS numerator
    FROM anomaly
    GROUP BY kind
),

insured AS (
    SELECT count(*) AS numerator
    FROM person
    WHERE insured_status IN ('staff', 'resident', 'elsewhere', 'attached_newborn')
)

SELECT
    d.measure_id,
    '' AS division_code,
    coalesce(f.numerator, 0) AS numerator,
    i.numerator AS denominator,
    CASE WHEN i.numerator > 0 THEN coalesce(f.numerator, 0)::DOUBLE / i.numerator ELSE 0 END AS value,
    coalesce(f.numerator >= d.least, false) AS enough
FROM measure_def AS d
CROSS JOIN insured AS i
LEFT JOIN found AS f ON d.measure_id = f.measure_id
WHERE d.figure = 'figure_finding'
