-- title: 全部区划（含已停用） / every division, also those out of use
-- grain: one row per division code
-- columns:
--   parent_code: as delivered, else the code cut by one level
WITH
delivered AS (
    SELECT
        code12(d.division_code) AS division_code,
        d.division_name,
        try_cast(d.level AS INTEGER) AS level,
        code12(d.parent_code) AS parent_code,
        d.valid_from,
        d.valid_to,
        code12(d.successor_code) AS successor_code,
        coalesce(d.valid_from <= run.as_of, true) AS has_begun,
        coalesce(d.valid_from <= run.as_of, true) AND coalesce(d.valid_to > run.as_of, true) AS in_use,
        true AS is_delivered
    FROM src_division AS d
    CROSS JOIN run
    WHERE d.division_code IS NOT NULL AND try_cast(d.level AS INTEGER) BETWEEN 1 AND 4
),

-- the divisions that ship with the product serve where no department delivers a district in use
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
        NULL AS successor_code,
        true AS has_begun,
        true AS in_use,
        false AS is_delivered
    FROM builtin_division AS b
    WHERE NOT EXISTS (SELECT 1 FROM delivered WHERE level = 2 AND in_use)
),

-- a code has a row for each time it was renamed or put elsewhere: the one valid on the as-of date speaks for it, else the
-- last that was, and never the name of one with the parent of another
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY division_code
            ORDER BY
                in_use::INTEGER DESC,
                has_begun::INTEGER DESC,
                valid_from DESC NULLS LAST,
                valid_to DESC NULLS FIRST,
                is_delivered::INTEGER DESC,
                level,
                division_name,
                parent_code,
                successor_code
        ) AS rank_no
    FROM both_tables
),

spoken AS (
    SELECT
        division_code,
        division_name,
        level,
        coalesce(parent_code, CASE level
            WHEN 4 THEN code12(substr(division_code, 1, 9))
            WHEN 3 THEN code12(substr(division_code, 1, 6))
            WHEN 2 THEN code12(substr(division_code, 1, 2))
        END) AS parent_code,
        valid_from,
        valid_to,
        successor_code,
        in_use
    FROM ranked
    WHERE rank_no = 1
),

district AS (
    SELECT division_code, parent_code FROM spoken WHERE level = 2 AND in_use
),

-- where the city's own row is missing, or not in use, its districts say what it is
city_named AS (
    SELECT parent_code AS city_code FROM district WHERE parent_code IS NOT NULL
    UNION
    SELECT division_code FROM builtin_division WHERE level::INTEGER = 1
),

missing_city AS (
    SELECT c.city_code
    FROM city_named AS c
    INNER JOIN district AS d ON starts_with(d.division_code, regexp_replace(c.city_code, '(00)+$', ''))
    WHERE NOT EXISTS (SELECT 1 FROM spoken WHERE level = 1 AND in_use)
    GROUP BY c.city_code
    ORDER BY count(*) DESC, c.city_code DESC
    LIMIT 1
)

SELECT division_code, division_name, level, parent_code, valid_from, valid_to, successor_code
FROM spoken
WHERE division_code NOT IN (SELECT city_code FROM missing_city)
UNION ALL
SELECT
    m.city_code,
    coalesce(s.division_name, b.division_name, '全市'),
    1,
    NULL,
    NULL,
    NULL,
    NULL
FROM missing_city AS m
LEFT JOIN spoken AS s ON m.city_code = s.division_code
LEFT JOIN builtin_division AS b ON m.city_code = b.division_code
