-- title: 台账主要数字 / main figures of the ledger for the measures
-- grain: one row per basis, measure and division: a district, or '' for the city
SELECT
    'ledger.' || l.basis || '.' || l.measure AS measure_id,
    CASE WHEN l.level = 1 THEN '' ELSE l.division_code END AS division_code,
    l.value AS numerator
FROM ledger AS l
WHERE
    l.level IN (1, 2)
    AND l.measure IN ('should_be_insured', 'insured', 'uninsured', 'duplicate_persons')
    AND NOT contains(l.division_code, '-')
