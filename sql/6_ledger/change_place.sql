-- title: 上次区划代码今日所在区县 / the district of today in which a code of the previous publication lies
-- grain: one row per division code that a changed person had in the previous publication
-- columns:
--   district: by the successors of today's division table; the city's code followed by - where it lies in no district
WITH
named AS (
    SELECT p.resd_code AS code
    FROM previous_person AS p
    INNER JOIN change_key AS k ON id_key(p.person_id) = k.id_key
    WHERE p.resd_code IS NOT NULL
    UNION
    SELECT p.live_code
    FROM previous_person AS p
    INNER JOIN change_key AS k ON id_key(p.person_id) = k.id_key
    WHERE p.live_code IS NOT NULL
)

SELECT
    n.code,
    coalesce(d12.l2, d9.l2, d6.l2, city.city_code || '-') AS district
FROM named AS n
CROSS JOIN city
LEFT JOIN division_successor AS s12 ON n.code = s12.division_code
LEFT JOIN division_successor AS s9 ON code12(substr(n.code, 1, 9)) = s9.division_code
LEFT JOIN division_successor AS s6 ON code12(substr(n.code, 1, 6)) = s6.division_code
LEFT JOIN division_now AS d12 ON s12.current_code = d12.division_code
LEFT JOIN division_now AS d9 ON s9.current_code = d9.division_code
LEFT JOIN division_now AS d6 ON s6.current_code = d6.division_code
WHERE starts_with(n.code, city.prefix)
