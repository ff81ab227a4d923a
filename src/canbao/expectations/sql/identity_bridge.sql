-- cells of the bridge that do not add up (contract section 3.6): previous + the sum over causes = value, value is tonight's ledger
-- and previous the previous publication's; and cause by cause the districts with the city's 未落地 row give the city
WITH cell AS (
  SELECT
    basis,
    division_code,
    measure,
    min(previous) AS previous,
    max(previous) AS previous_too,
    sum(delta) AS delta,
    min(value) AS value,
    max(value) AS value_too
  FROM {batch}
  GROUP BY ALL
),

city AS (
  SELECT
    basis,
    measure,
    cause,
    sum(CASE level WHEN 1 THEN delta ELSE -delta END) AS missing
  FROM {batch}
  GROUP BY ALL
)

SELECT c.basis, c.division_code, c.measure
FROM cell AS c
LEFT JOIN ledger AS l ON c.basis = l.basis AND c.division_code = l.division_code AND c.measure = l.measure
LEFT JOIN previous_ledger AS e ON c.basis = e.basis AND c.division_code = e.division_code AND c.measure = e.measure
WHERE
  c.previous + c.delta <> c.value
  OR c.previous <> c.previous_too
  OR c.value <> c.value_too
  OR c.value <> coalesce(l.value, 0)
  OR c.previous <> coalesce(e.value, 0)
UNION ALL
SELECT basis, cause, measure
FROM city
WHERE missing <> 0
