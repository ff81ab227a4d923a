-- title: 各来源区划代码的落地位置 / where each delivered code lies in today's divisions
-- grain: one row per 12-digit code that a person's registration or residence names
-- columns:
--   in_city: whether the code begins as the city's
--   place_code: the deepest division in use that the code shares (contract 3.6), null outside the city
--   place_level: its level
WITH
named AS (
    SELECT code12(resd_code) AS code FROM src_population WHERE resd_code IS NOT NULL
    UNION
    SELECT code12(live_code) AS code FROM src_population WHERE live_code IS NOT NULL
    UNION
    SELECT code12(live_code) AS code FROM src_birth WHERE live_code IS NOT NULL
),

candidate AS (
    SELECT
        n.code,
        starts_with(n.code, city.prefix) AS in_city,
        coalesce(d12.division_code, d9.division_code, d6.division_code, city.city_code) AS place_code
    FROM named AS n
    CROSS JOIN city
    LEFT JOIN division_successor AS s12 ON n.code = s12.division_code
    LEFT JOIN division_successor AS s9 ON code12(substr(n.code, 1, 9)) = s9.division_code
    LEFT JOIN division_successor AS s6 ON code12(substr(n.code, 1, 6)) = s6.division_code
    LEFT JOIN division_now AS d12 ON s12.current_code = d12.division_code
    LEFT JOIN division_now AS d9 ON s9.current_code = d9.division_code
    LEFT JOIN division_now AS d6 ON s6.current_code = d6.division_code
)

SELECT
    c.code,
    coalesce(c.in_city, false) AS in_city,
    d.division_code AS place_code,
    d.level AS place_level,
    d.l1,
    d.l2,
    d.l3,
    d.l4
FROM candidate AS c
LEFT JOIN division_now AS d ON c.place_code = d.division_code AND c.in_city
