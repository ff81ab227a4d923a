-- title: 能落到村（社区）的区划代码 / division codes by which somebody is placed in a village
-- grain: one row per village code, in use or with a successor in use
SELECT s.division_code
FROM division_successor AS s
INNER JOIN division_now AS d ON s.current_code = d.division_code
WHERE d.level = 4
