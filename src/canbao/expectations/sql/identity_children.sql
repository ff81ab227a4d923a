-- cells that differ from the sum over their children with their own 未落地 row (contract section 3.6); target_persons need not add up.
-- A parent is found by the division table itself; a 未落地 row carries its parent's code before the `-`.
WITH parent_of AS (
  SELECT
    division_code,
    CASE level WHEN 2 THEN l1 WHEN 3 THEN l2 WHEN 4 THEN l3 END AS parent_code
  FROM division_now
  UNION ALL
  SELECT division_code || '-', division_code
  FROM division_now
),

child_sum AS (
  SELECT
    c.basis,
    p.parent_code AS division_code,
    c.measure,
    sum(c.value) AS value
  FROM {batch} AS c
  INNER JOIN parent_of AS p ON c.division_code = p.division_code
  WHERE c.measure <> 'target_persons' AND p.parent_code IS NOT NULL
  GROUP BY ALL
)

SELECT parent.*
FROM {batch} AS parent
LEFT JOIN child_sum
  ON
    parent.basis = child_sum.basis
    AND parent.division_code = child_sum.division_code
    AND parent.measure = child_sum.measure
WHERE
  parent.level < 4
  AND parent.measure <> 'target_persons'
  AND NOT contains(parent.division_code, '-')
  AND parent.value <> coalesce(child_sum.value, 0)
