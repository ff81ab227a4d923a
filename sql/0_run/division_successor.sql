-- title: 区划代码现行对应 / the code that serves today for each known code
-- grain: one row per known division code that is in use, or has a successor in use
-- columns:
--   current_code: the code itself while it is in use, else its successor's (over up to eight changes)
WITH
coded AS (
    SELECT
        d.division_code,
        (d.valid_from IS NULL OR d.valid_from <= run.as_of) AND (d.valid_to IS NULL OR d.valid_to > run.as_of) AS in_use,
        d.successor_code
    FROM division_known AS d
    CROSS JOIN run
),

hop1 AS (
    SELECT
        division_code,
        CASE WHEN in_use THEN division_code ELSE coalesce(successor_code, division_code) END AS current_code
    FROM coded
),

hop2 AS (
    SELECT a.division_code, coalesce(b.current_code, a.current_code) AS current_code
    FROM hop1 AS a
    LEFT JOIN hop1 AS b ON a.current_code = b.division_code
),

hop4 AS (
    SELECT a.division_code, coalesce(b.current_code, a.current_code) AS current_code
    FROM hop2 AS a
    LEFT JOIN hop2 AS b ON a.current_code = b.division_code
),

hop8 AS (
    SELECT a.division_code, coalesce(b.current_code, a.current_code) AS current_code
    FROM hop4 AS a
    LEFT JOIN hop4 AS b ON a.current_code = b.division_code
)

SELECT hop8.division_code, hop8.current_code
FROM hop8
INNER JOIN coded ON hop8.current_code = coded.division_code AND coded.in_use
