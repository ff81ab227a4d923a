-- The core as one statement; DuckDB and Spark run the same text over the views population and enrollment.
WITH
placed AS (
    SELECT
        upper(trim(certno)) AS certno,
        min(concat(coalesce(trim(resd_code), ''), '|', coalesce(trim(resd_status), ''))) AS place
    FROM population
    WHERE trim(certno) <> ''
    GROUP BY upper(trim(certno))
),

people AS (
    SELECT certno, split_part(place, '|', 1) AS resd_code, split_part(place, '|', 2) AS resd_status
    FROM placed
),

relations AS (
    SELECT
        upper(trim(certno)) AS certno,
        sum(CASE WHEN trim(insutype) IN ('310', '390') THEN 1 ELSE 0 END) AS basic
    FROM enrollment
    WHERE trim(psn_insu_stas) IN ('1', '正常')
    GROUP BY upper(trim(certno))
),

judged AS (
    SELECT
        coalesce(p.resd_code, '') AS resd_code,
        CASE WHEN p.resd_status IN ('1', '正常') AND r.certno IS NULL THEN 1 ELSE 0 END AS uninsured,
        CASE WHEN r.basic >= 2 THEN 1 ELSE 0 END AS duplicate
    FROM people AS p
    LEFT JOIN relations AS r ON p.certno = r.certno
),

levels AS (
    SELECT 2 AS level
    UNION ALL
    SELECT 6
    UNION ALL
    SELECT 9
    UNION ALL
    SELECT 12
),

villages AS (
    SELECT resd_code, count(*) AS people, sum(uninsured) AS uninsured, sum(duplicate) AS duplicates
    FROM judged
    GROUP BY resd_code
)

SELECT
    l.level,
    substr(v.resd_code, 1, l.level) AS code,
    sum(v.people) AS people,
    sum(v.uninsured) AS uninsured,
    sum(v.duplicates) AS duplicates
FROM villages AS v
CROSS JOIN levels AS l
GROUP BY l.level, substr(v.resd_code, 1, l.level)
