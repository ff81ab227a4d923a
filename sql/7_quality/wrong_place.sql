-- title: 有问题的区划代码 / delivered division codes that name no village in use
-- grain: one row per code of the city, as delivered, and what is wrong with it
-- columns:
--   code: 6, 9 or 12 digits, as delivered
--   problem: unknown (in no division table), outdated (only out of use), not_village (places nobody in a village)
WITH
named AS (
    SELECT resd_code AS code FROM src_population
    UNION
    SELECT live_code AS code FROM src_population
    UNION
    SELECT live_code AS code FROM src_birth
    UNION
    SELECT live_code AS code FROM src_vaccination
    UNION
    SELECT division_code AS code FROM src_grid_feedback
    UNION
    SELECT division_code AS code FROM src_target
),

judged AS (
    SELECT
        n.code,
        k.division_code IS NULL AS is_unknown,
        k.division_code IS NOT NULL AND d.division_code IS NULL AS is_outdated,
        v.division_code IS NULL AS is_no_village
    FROM named AS n
    CROSS JOIN city
    LEFT JOIN division_known AS k ON code12(n.code) = k.division_code
    LEFT JOIN division_now AS d ON code12(n.code) = d.division_code
    LEFT JOIN known_village AS v ON code12(n.code) = v.division_code
    WHERE starts_with(n.code, city.prefix)
)

SELECT code, 'unknown' AS problem
FROM judged
WHERE is_unknown
UNION ALL
SELECT code, 'outdated'
FROM judged
WHERE is_outdated
UNION ALL
SELECT code, 'not_village'
FROM judged
WHERE is_no_village
