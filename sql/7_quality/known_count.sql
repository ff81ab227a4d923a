-- title: 已核实的条目数 / wrong rows that their department has confirmed
-- grain: one row per measure and division: a district, or '' for all
WITH
placed AS (
    SELECT w.measure_id, n.l2 AS district
    FROM wrong_row AS w
    LEFT JOIN division_successor AS s ON code12(substr(w.division_code, 1, 6)) = s.division_code
    LEFT JOIN division_now AS n ON s.current_code = n.division_code
    WHERE w.known
)

SELECT measure_id, coalesce(district, '') AS division_code, count(*) AS known
FROM placed
GROUP BY GROUPING SETS ((measure_id), (measure_id, district))
HAVING grouping(district) = 1 OR district IS NOT NULL
