-- title: 区划代码对应 / where each known or delivered division code lies today
-- grain: one row per 12-digit code
-- publish: code
-- columns:
--   code: a code that is or was in use, or that somebody delivered
--   place_code: the division in use that it lies in; null outside the city
WITH
both_tables AS (
    SELECT division_code AS code, current_code AS place_code FROM division_successor
    UNION ALL
    SELECT code, place_code FROM division_place
)

SELECT code, min(place_code) AS place_code
FROM both_tables
GROUP BY code
