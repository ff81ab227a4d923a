-- title: 数据质量指标 / what the measures counted tonight
-- grain: one row per measure and division
-- publish: measure_id, division_code
-- columns:
--   measure_id: measure of the catalogue; besides rows.<source>, codes.<source>.<column>.<code>, ledger.<basis>.<measure>
--   division_code: 12 digits of a district; empty for the city as a whole
--   numerator: what was counted: wrong rows, mostly
--   denominator: out of how many; null where nothing is compared with
--   value: numerator over denominator, or what the measure compares; null where it was not computed
--   threshold: limit of the value; null where nothing is judged
--   known: wrong rows that their department has confirmed; they do not fail
--   failed: beyond the limit; null where it could not be computed
SELECT measure_id, division_code, numerator, denominator, value, threshold, known, judged > threshold AS failed
FROM measure_judged
UNION ALL
SELECT c.measure_id, c.division_code, c.numerator, NULL, c.numerator::DOUBLE, NULL, 0, false
FROM measure_count AS c
WHERE starts_with(c.measure_id, 'rows.')
UNION ALL
SELECT
    'codes.' || source || '.' || field || '.' || code, '', rows, sum(rows) OVER (PARTITION BY source, field)::BIGINT,
    rows::DOUBLE / sum(rows) OVER (PARTITION BY source, field), NULL, 0, false
FROM code_count
UNION ALL
SELECT measure_id, division_code, numerator, NULL, numerator::DOUBLE, NULL, 0, false
FROM ledger_figure
