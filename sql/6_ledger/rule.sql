-- title: 规则手册数据 / every rule, and whom it touched tonight
-- grain: one row per rule id
-- publish: rule_id
-- columns:
--   rule_id: rule
--   title: in Chinese
--   text: the clause in short, in Chinese
--   document: document
--   clause: clause in it
--   parameters: parameters it uses with their values tonight
--   unverified: those of them that no document at hand confirms
--   computed: SQL steps that compute it; empty where it is not computed
--   why_not: why it is not computed
--   rows_touched: rows of tonight's tables that name it
--   counted: what those rows are, in Chinese; empty for a rule that defines something and has no rows of its own
WITH
touched AS (
    SELECT rule_id, count(*) AS n FROM duplicate_enrollment GROUP BY rule_id
    UNION ALL
    SELECT refund_rule, count(*) FROM duplicate_enrollment WHERE refund_rule IS NOT NULL GROUP BY refund_rule
    UNION ALL
    SELECT deduct_rule, count(*) FROM duplicate_enrollment WHERE deduct_rule IS NOT NULL GROUP BY deduct_rule
    UNION ALL
    SELECT
        CASE kind WHEN 'staff_resident' THEN 'DUP-3' ELSE 'DUP-2' END, count(*)
    FROM duplicate_enrollment
    GROUP BY kind
    UNION ALL
    SELECT 'DUP-1', count(*) FROM duplicate_enrollment
    UNION ALL
    SELECT 'RET-5', count(*) FROM duplicate_enrollment WHERE action = 'terminate' AND drop_rlts IS NOT NULL
    UNION ALL
    SELECT 'DUP-7', count(*) FROM duplicate_payment
    UNION ALL
    SELECT 'DUP-8', count(*) FROM merge_candidate
    UNION ALL
    SELECT rule_id, count(*) FROM (SELECT unnest(rule_ids) AS rule_id FROM entitlement) AS e GROUP BY rule_id
    UNION ALL
    SELECT rule_id, count(*) FROM anomaly GROUP BY rule_id
    UNION ALL
    SELECT rule_id, count(*) FROM notice WHERE rule_id = 'RET-8' AND action IN ('restore', 'enroll_anew') GROUP BY rule_id
    UNION ALL
    SELECT rule_id, count(*) FROM premium_reconciliation GROUP BY rule_id
    UNION ALL
    SELECT 'LED-2', count(*) FROM uninsured
    UNION ALL
    SELECT 'LED-3', count(*) FROM uninsured WHERE separated
    UNION ALL
    SELECT 'LED-4', count(*) FROM uninsured WHERE array_length(group_tags) > 0
    UNION ALL
    SELECT 'LED-6', count(*) FROM uninsured WHERE household_no IS NOT NULL
    UNION ALL
    SELECT 'LED-1', count(*) FROM person
    UNION ALL
    SELECT 'NB-1', count(*) FROM newborn
    UNION ALL
    SELECT 'NB-4', count(*) FROM newborn WHERE status = 'attached'
    UNION ALL
    SELECT 'NB-7', count(*) FROM newborn WHERE status = 'none'
    UNION ALL
    SELECT 'NB-3', count(*) FROM entitlement WHERE list_contains(flags, 'newborn_of_window')
    UNION ALL
    SELECT 'NB-5', count(*) FROM entitlement WHERE list_contains(flags, 'born_second_half')
    UNION ALL
    SELECT 'FIN-5', count(*) FROM subsidy_deduction
    UNION ALL
    SELECT 'EVA-1', count(*) FROM evaluation
    UNION ALL
    SELECT 'TGT-1', count(*) FROM evaluation WHERE measure = 'plan_completion' AND denominator > 0
    UNION ALL
    SELECT 'TGT-2', count(*)
    FROM evaluation
    WHERE measure = 'targets_above_parent' AND denominator > 0 AND numerator > denominator
),

summed AS (
    SELECT rule_id, sum(n)::BIGINT AS rows_touched
    FROM touched
    GROUP BY rule_id
),

computing AS (
    SELECT rule_id, list(step ORDER BY step) AS steps
    FROM step_rule
    GROUP BY rule_id
),

used AS (
    SELECT
        r.code,
        list(p.name || ' = ' || coalesce(p.value, '（无值）') ORDER BY p.name) AS parameters,
        list(p.name ORDER BY p.name) FILTER (NOT p.verified) AS unverified
    FROM code_rule AS r
    INNER JOIN param AS p ON r.params <> '' AND regexp_full_match(p.name, r.params)
    GROUP BY r.code
)

SELECT
    r.code AS rule_id,
    r.title,
    r.text,
    r.document,
    coalesce(r.clause, '') AS clause,
    coalesce(u.parameters, []::VARCHAR[]) AS parameters,
    coalesce(u.unverified, []::VARCHAR[]) AS unverified,
    coalesce(c.steps, []::VARCHAR[]) AS computed,
    CASE WHEN c.steps IS NULL THEN r.why_not END AS why_not,
    coalesce(s.rows_touched, 0) AS rows_touched,
    coalesce(r.counted, '') AS counted
FROM code_rule AS r
LEFT JOIN summed AS s ON r.code = s.rule_id
LEFT JOIN computing AS c ON r.code = c.rule_id
LEFT JOIN used AS u ON r.code = u.code
