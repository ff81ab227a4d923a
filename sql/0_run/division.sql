-- title: 现行区划树 / the divisions in use, numbered so that whatever lies in one follows it
-- grain: one row per division in use
-- publish: tree_no
-- columns:
--   division_code: 12 digits
--   division_name: name on the as-of date
--   level: 1 city, 2 district, 3 township, 4 village
--   parent_code: the division that it lies in; null of the city
--   l1: code of the city
--   l2: code of the district it is or lies in
--   l3: code of the township it is or lies in
--   l4: its own code where it is a village
--   tree_no: its number; a division's parts have the numbers that follow its own
--   tree_last: number of the last division in it, its own where there is none
WITH
numbered AS (
    SELECT
        *,
        CASE level WHEN 2 THEN l1 WHEN 3 THEN l2 WHEN 4 THEN l3 END AS parent_code,
        row_number() OVER (ORDER BY l1, l2 NULLS FIRST, l3 NULLS FIRST, l4 NULLS FIRST)::INTEGER AS tree_no
    FROM division_now
)

SELECT
    n.division_code,
    n.division_name,
    n.level,
    n.parent_code,
    n.l1,
    n.l2,
    n.l3,
    n.l4,
    n.tree_no,
    CASE n.level
        WHEN 1 THEN max(n.tree_no) OVER (PARTITION BY n.l1)
        WHEN 2 THEN max(n.tree_no) OVER (PARTITION BY n.l1, n.l2)
        WHEN 3 THEN max(n.tree_no) OVER (PARTITION BY n.l1, n.l2, n.l3)
        ELSE n.tree_no
    END AS tree_last
FROM numbered AS n
