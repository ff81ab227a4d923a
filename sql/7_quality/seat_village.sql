-- title: 疑为默认值的驻地村 / villages that seem to stand for their whole township
-- grain: one row per basis and village that has nine tenths of the 200 people and more of a township of several villages
-- columns:
--   basis: resd or live: the column that names the village
WITH
named AS (
    SELECT 'resd' AS basis, code12(resd_code) AS division_code, count(*) AS persons
    FROM src_population
    WHERE length(resd_code) = 12
    GROUP BY resd_code
    UNION ALL
    SELECT 'live', code12(live_code), count(*)
    FROM src_population
    WHERE length(live_code) = 12
    GROUP BY live_code
),

township AS (
    SELECT l3
    FROM division_now
    WHERE level = 4
    GROUP BY l3
    HAVING count(*) >= 4
)

SELECT n.basis, n.division_code
FROM named AS n
INNER JOIN division_successor AS s ON n.division_code = s.division_code
INNER JOIN division_now AS d ON s.current_code = d.division_code
INNER JOIN township AS t ON d.l3 = t.l3
QUALIFY
    sum(n.persons) OVER (PARTITION BY n.basis, d.l3) >= 200
    AND n.persons >= 0.9 * sum(n.persons) OVER (PARTITION BY n.basis, d.l3)
