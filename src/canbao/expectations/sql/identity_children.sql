-- cells that differ from the sum over their children with their own 未落地 row (contract section 3.6); target_persons need not add up.
-- A parent is found by the code's digits: 2, 4 or 6, 6, 9 of 12; a 未落地 row carries its parent's code before the `-`.
WITH cell AS (
  SELECT
    insu_year,
    basis,
    level,
    division_code,
    measure,
    value,
    division_code LIKE '%-' AS unplaced,
    rtrim(division_code, '-') AS own_code
  FROM {batch}
  WHERE measure <> 'target_persons'
),

parent AS (
  SELECT * FROM cell WHERE level < 4 AND NOT unplaced
),

child_sum AS (
  SELECT
    insu_year,
    basis,
    level - 1 AS level,
    CASE
      WHEN unplaced THEN own_code
      WHEN level = 4 THEN rpad(substr(own_code, 1, 9), 12, '0')
      WHEN level = 3 THEN rpad(substr(own_code, 1, 6), 12, '0')
      ELSE rpad(substr(own_code, 1, 2), 12, '0')
    END AS division_code,
    measure,
    sum(value) AS value
  FROM cell
  WHERE level > 1
  GROUP BY ALL
)

SELECT parent.*
FROM parent
LEFT JOIN child_sum USING (insu_year, basis, level, division_code, measure)
WHERE parent.value <> coalesce(child_sum.value, 0)
