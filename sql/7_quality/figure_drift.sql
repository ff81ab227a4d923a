-- title: 代码占比的变化 / drift of a code column against the night before
-- grain: one row per measure
-- columns:
--   numerator: rows that would have to change their code, as many as the shares differ by
--   denominator: rows
--   value: half the sum of the differences of the codes' shares; null where no earlier night is known
--   enough: whether there is enough to judge by
WITH
tonight AS (
    SELECT 'codes.' || source || '.' || field || '.' || code AS id, source || '.drift_' || field AS measure_id, rows
    FROM code_count
),

last_night AS (
    SELECT
        h.measure_id AS id,
        split_part(h.measure_id, '.', 2) || '.drift_' || split_part(h.measure_id, '.', 3) AS measure_id,
        h.numerator AS rows
    FROM measure_history AS h
    WHERE starts_with(h.measure_id, 'codes.')
    -- the last night that had the column, whatever other sources that night had
    QUALIFY
        h.as_of = max(h.as_of) OVER (
            PARTITION BY split_part(h.measure_id, '.', 2), split_part(h.measure_id, '.', 3)
        )
),

both_nights AS (
    SELECT
        coalesce(t.measure_id, b.measure_id) AS measure_id,
        coalesce(t.rows, 0) AS rows,
        coalesce(t.rows, 0)::DOUBLE / nullif(sum(t.rows) OVER same, 0) AS share,
        coalesce(b.rows, 0)::DOUBLE / nullif(sum(b.rows) OVER same, 0) AS share_before
    FROM tonight AS t
    FULL JOIN last_night AS b ON t.id = b.id
    WINDOW same AS (PARTITION BY coalesce(t.measure_id, b.measure_id))
),

drifted AS (
    SELECT
        measure_id,
        sum(rows)::BIGINT AS denominator,
        CASE WHEN count(share) = count(*) AND count(share_before) = count(*) THEN sum(abs(share - share_before)) / 2 END AS value
    FROM both_nights
    GROUP BY measure_id
)

SELECT
    d.measure_id,
    '' AS division_code,
    round(v.value * v.denominator)::BIGINT AS numerator,
    v.denominator,
    v.value,
    coalesce(v.value * v.denominator >= d.least, false) AS enough
FROM measure_def AS d
LEFT JOIN drifted AS v ON d.measure_id = v.measure_id
WHERE d.figure = 'figure_drift'
