-- title: 号码归并 / numbers that belong to a person whose first number is another one
-- grain: one row per such number
-- columns:
--   number_key: the later number
--   person_key: key of the person's first number, over up to eight changes
WITH
hop2 AS (
    SELECT a.child_key, coalesce(b.parent_key, a.parent_key) AS parent_key
    FROM number_edge AS a
    LEFT JOIN number_edge AS b ON a.parent_key = b.child_key
),

hop4 AS (
    SELECT a.child_key, coalesce(b.parent_key, a.parent_key) AS parent_key
    FROM hop2 AS a
    LEFT JOIN hop2 AS b ON a.parent_key = b.child_key
),

hop8 AS (
    SELECT a.child_key, coalesce(b.parent_key, a.parent_key) AS parent_key
    FROM hop4 AS a
    LEFT JOIN hop4 AS b ON a.parent_key = b.child_key
)

SELECT child_key AS number_key, parent_key AS person_key
FROM hop8
WHERE child_key <> parent_key
