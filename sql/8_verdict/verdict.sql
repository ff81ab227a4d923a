-- title: 各产品能否使用 / verdict per product
-- grain: one row per product of code_product
-- publish: product
-- columns:
--   product: code of the product
--   title: in Chinese
--   verdict: usable (可用), caution (慎用), unusable (不可用): by the worst severity that harms it
--   check_ids: checks that failed or could not be computed and harm it, the worst first
--   reason: why, in Chinese; empty for a usable product
--
-- What is on trial and what only informs never harms. A blocking check that was let pass leaves the product to be used with
-- caution: the fault is still there.
WITH
harmful AS (
    SELECT
        q.check_id,
        q.title,
        unnest(q.harms) AS product,
        q.state,
        q.accept_reason,
        CASE
            WHEN q.severity = 'block' AND q.accept_reason IS NULL THEN 1
            WHEN q.severity = 'block' THEN 2
            WHEN q.state = 'failed' THEN 3
            ELSE 4
        END AS rank_no
    FROM quality_metric AS q
    WHERE q.state <> 'passed' AND q.severity IN ('block', 'warn') AND NOT q.trial
),

summed AS (
    SELECT
        product,
        min(rank_no) AS worst,
        list(check_id ORDER BY rank_no, check_id) AS check_ids,
        list(title ORDER BY rank_no, check_id) AS titles,
        count(*) FILTER (rank_no = 1) AS blocking,
        count(*) FILTER (rank_no = 2) AS let_pass,
        count(*) FILTER (rank_no = 3) AS warned,
        count(*) FILTER (rank_no = 4) AS unknown
    FROM harmful
    GROUP BY product
)

SELECT
    p.code AS product,
    p.title,
    CASE WHEN s.worst = 1 THEN 'unusable' WHEN s.worst IS NOT NULL THEN 'caution' ELSE 'usable' END AS verdict,
    coalesce(s.check_ids, []::VARCHAR[]) AS check_ids,
    CASE
        WHEN s.worst IS NULL THEN ''
        ELSE concat_ws(
            '、',
            CASE WHEN s.blocking > 0 THEN s.blocking || ' 项阻断检查未通过' END,
            CASE WHEN s.let_pass > 0 THEN s.let_pass || ' 项阻断检查未通过而放行' END,
            CASE WHEN s.warned > 0 THEN s.warned || ' 项提醒未通过' END,
            CASE WHEN s.unknown > 0 THEN s.unknown || ' 项未能计算' END
        ) || '：' || array_to_string(s.titles[1:3], '；') || CASE WHEN len(s.titles) > 3 THEN ' 等' ELSE '' END
    END AS reason
FROM code_product AS p
LEFT JOIN summed AS s ON p.code = s.product
