-- title: 全部区划（含已停用） / every division, also those out of use
-- grain: one row per division code
-- columns:
--   parent_code: as delivered, else the code cut by one level
WITH
delivered AS (
    SELECT
        code12(division_code) AS division_code,
        division_name,
        try_cast(level AS INTEGER) AS level,
        code12(parent_code) AS parent_code,
        valid_from,
        valid_to,
        code12(successor_code) AS successor_code
    FROM src_division
),

-- the divisions that ship with the product serve where no department delivers any
both_tables AS (
    SELECT * FROM delivered
    UNION ALL
    SELECT
        b.division_code,
        b.division_name,
        b.level::INTEGER AS level,
        b.parent_code,
        NULL::DATE AS valid_from,
        NULL::DATE AS valid_to,
        NULL AS successor_code
    FROM builtin_division AS b
    WHERE NOT EXISTS (SELECT 1 FROM delivered)
)

SELECT
    division_code,
    min(division_name) AS division_name,
    min(level) AS level,
    coalesce(min(parent_code), min(CASE level
        WHEN 4 THEN code12(substr(division_code, 1, 9))
        WHEN 3 THEN code12(substr(division_code, 1, 6))
        WHEN 2 THEN code12(substr(division_code, 1, 2))
    END)) AS parent_code,
    min(valid_from) AS valid_from,
    max(valid_to) AS valid_to,
    min(successor_code) AS successor_code
FROM both_tables
WHERE division_code IS NOT NULL AND level BETWEEN 1 AND 4
GROUP BY division_code
