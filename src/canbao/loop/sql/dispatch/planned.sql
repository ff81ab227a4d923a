-- The batches: lists, and zero reports for divisions in which nobody is uninsured and that have nothing open.
WITH
peopled AS (
    SELECT DISTINCT CASE WHEN asked.level = 3 THEN d.l3 ELSE d.division_code END AS division_code
    FROM responsibility AS r
    CROSS JOIN asked
    INNER JOIN division AS d ON r.division_code = d.division_code
    WHERE d.level >= 3
),

busy AS (
    SELECT place_code AS division_code FROM batch_now WHERE kind = 'zero' AND NOT zero_confirmed
    UNION
    SELECT b.place_code
    FROM batch_now AS b
    INNER JOIN open_row AS o ON b.batch_no = o.batch_no
),

planned AS (
    SELECT batch_division AS division_code, part, 'list' AS kind, count(*)::INTEGER AS rows
    FROM chosen
    GROUP BY batch_division, part
    UNION ALL
    SELECT d.division_code, 0, 'zero', 0
    FROM division AS d
    CROSS JOIN asked
    WHERE
        d.level = asked.level AND d.tree_no BETWEEN asked.tree_first AND asked.tree_last
        AND d.division_code NOT IN (SELECT p.division_code FROM peopled AS p WHERE p.division_code IS NOT NULL)
        AND d.division_code NOT IN (SELECT b.division_code FROM busy AS b WHERE b.division_code IS NOT NULL)
)

SELECT
    p.division_code,
    d.division_name,
    d.level,
    p.kind,
    p.rows,
    p.part,
    row_number() OVER (ORDER BY d.tree_no, p.part) AS place
FROM planned AS p
INNER JOIN division AS d ON p.division_code = d.division_code
