-- title: 本市 / the city
-- grain: one row
-- columns:
--   city_code: its 12-digit code
--   prefix: the digits that every code inside it begins with
SELECT
    min(division_code) AS city_code,
    min(division_name) AS city_name,
    regexp_replace(min(division_code), '(00)+$', '') AS prefix
FROM division_now
WHERE level = 1
