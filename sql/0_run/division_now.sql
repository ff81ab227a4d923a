-- title: 现行区划 / divisions in use on the as-of date, with their ancestors
-- grain: one row per division in use
-- columns:
--   l1: code of the city, l2 of the district, l3 of the township, l4 of the village it is or lies in
WITH
used AS (
    SELECT d.division_code, d.division_name, d.level, p.current_code AS parent_code
    FROM division_known AS d
    INNER JOIN division_successor AS s ON d.division_code = s.division_code AND s.current_code = d.division_code
    LEFT JOIN division_successor AS p ON d.parent_code = p.division_code
),

up AS (
    SELECT
        d.*,
        p1.level AS p1_level, p1.division_code AS p1_code,
        p2.level AS p2_level, p2.division_code AS p2_code,
        p3.level AS p3_level, p3.division_code AS p3_code
    FROM used AS d
    LEFT JOIN used AS p1 ON d.parent_code = p1.division_code AND p1.level < d.level
    LEFT JOIN used AS p2 ON p1.parent_code = p2.division_code AND p2.level < p1.level
    LEFT JOIN used AS p3 ON p2.parent_code = p3.division_code AND p3.level < p2.level
),

-- of several rows of the highest level (a country, a province) the one that the districts lie in, the nearest to them
city AS (
    SELECT c.division_code AS city_code
    FROM used AS c
    LEFT JOIN used AS d ON d.level = 2 AND starts_with(d.division_code, regexp_replace(c.division_code, '(00)+$', ''))
    WHERE c.level = 1
    GROUP BY c.division_code
    ORDER BY count(d.division_code) DESC, c.division_code DESC
    LIMIT 1
)

SELECT
    up.division_code,
    up.division_name,
    up.level,
    city.city_code AS l1,
    CASE
        WHEN up.level = 2 THEN up.division_code
        WHEN p1_level = 2 THEN p1_code WHEN p2_level = 2 THEN p2_code WHEN p3_level = 2 THEN p3_code
    END AS l2,
    CASE
        WHEN up.level = 3 THEN up.division_code
        WHEN p1_level = 3 THEN p1_code WHEN p2_level = 3 THEN p2_code WHEN p3_level = 3 THEN p3_code
    END AS l3,
    CASE WHEN up.level = 4 THEN up.division_code END AS l4
FROM up
CROSS JOIN city
WHERE
    -- a division whose chain to the city is broken holds nobody: its people count at the deepest level it shares
    CASE up.level
        WHEN 1 THEN up.division_code = city.city_code
        WHEN 2 THEN true
        WHEN 3 THEN up.p1_level = 2
        WHEN 4 THEN up.p1_level = 3 AND up.p2_level = 2
    END
