-- title: 读入情况 / what the intake could not read, per source
-- grain: one row per measure
-- columns:
--   numerator: rows or cells
--   denominator: rows read, or accepted
--   value: numerator over denominator
--   enough: whether there is enough to judge by
WITH
received AS (
    SELECT source, source || '.unreadable' AS measure_id, cells_unreadable AS numerator, rows_accepted AS denominator
    FROM source_delivery
    UNION ALL
    SELECT source, source || '.rejected', rows_rejected - rows_damaged, rows_read
    FROM source_delivery
    UNION ALL
    SELECT source, source || '.damaged_number', rows_damaged, rows_read
    FROM source_delivery
    UNION ALL
    SELECT source, source || '.repeated', rows_repeated, rows_accepted
    FROM source_delivery
)

SELECT
    d.measure_id,
    '' AS division_code,
    r.numerator,
    r.denominator,
    CASE WHEN r.denominator > 0 THEN r.numerator::DOUBLE / r.denominator ELSE 0 END AS value,
    r.numerator >= d.least AS enough
FROM measure_def AS d
INNER JOIN received AS r ON d.measure_id = r.measure_id
WHERE d.figure = 'figure_received'
