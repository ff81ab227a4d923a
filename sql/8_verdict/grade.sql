-- title: 部门和区县的数据质量等级 / grade per department and district
-- grain: one row per department that is called for a check or delivers a source, and per district in use
-- publish: subject_kind, subject
-- columns:
--   subject_kind: department or district
--   subject: name of the department, 12 digits of the district
--   title: name
--   grade: A nothing failed; B only information; C one or two warnings; D more, or something could not be computed;
--     F something that blocks, or rows of the district that did not come; null where nobody is counted or ever was
--   failed_block: blocking checks that failed or could not be computed, let pass or not
--   failed_warn: warnings that failed
--   failed_info: information beyond its limit
--   not_computed: warnings that could not be computed; what has no past to be compared with is none
--   expected: department: its sources; district: sources that have rows of it tonight or had in the night before
--   delivered: department: those of them delivered within their promised rhythm; district: those that have rows tonight
--   coverage: delivered over expected; null where nothing is expected
--
-- What is on trial does not count. Districts stand in the order of their codes: nobody is ranked.
WITH
judged AS (
    SELECT check_id, coalesce(department, '医保') AS department, severity, state
    FROM quality_metric
    WHERE NOT trial
),

source_due AS (
    SELECT
        s.department,
        count(*) AS expected,
        count(*) FILTER (
            s.delivered AND (s.rhythm_days IS NULL OR run_input.as_of - s.delivery <= s.rhythm_days)
        ) AS delivered
    FROM source_delivery AS s
    CROSS JOIN run_input
    GROUP BY s.department
),

department_check AS (
    SELECT
        department,
        count(*) FILTER (severity = 'block' AND state <> 'passed') AS failed_block,
        count(*) FILTER (severity = 'warn' AND state = 'failed') AS failed_warn,
        count(*) FILTER (severity = 'info' AND state = 'failed') AS failed_info,
        count(*) FILTER (severity = 'warn' AND state = 'not_computed') AS not_computed
    FROM judged
    GROUP BY department
),

-- a district is judged by its own part of each measure
district_check AS (
    SELECT
        m.division_code,
        count(*) FILTER (j.severity = 'block') AS failed_block,
        count(*) FILTER (j.severity = 'warn') AS failed_warn,
        count(*) FILTER (j.severity = 'info') AS failed_info
    FROM measure AS m
    INNER JOIN judged AS j ON m.measure_id = j.check_id
    WHERE m.failed AND m.division_code <> ''
    GROUP BY m.division_code
),

-- …and by rows that did not come: a fall of the county's rows is in force for as long as the check fails, let pass or not
district_fall AS (
    SELECT county || '000000' AS division_code, count(*) AS failed_block
    FROM fallen_county
    GROUP BY division_code
),

district_people AS (
    SELECT division_code
    FROM measure
    WHERE starts_with(measure_id, 'ledger.') AND numerator > 0
    GROUP BY division_code
),

rows_known AS (
    SELECT division_code, measure_id, true AS tonight
    FROM measure
    WHERE starts_with(measure_id, 'rows.') AND numerator > 0
    UNION ALL
    SELECT h.division_code, h.measure_id, false
    FROM measure_history AS h
    WHERE
        starts_with(h.measure_id, 'rows.') AND h.numerator > 0
        AND h.as_of = (SELECT max(a.as_of) FROM measure_history AS a)
),

district_due AS (
    SELECT division_code, count(DISTINCT measure_id) AS expected, count(*) FILTER (tonight) AS delivered
    FROM rows_known
    WHERE division_code <> ''
    GROUP BY division_code
),

subject AS (
    SELECT
        'department' AS subject_kind,
        coalesce(c.department, s.department) AS subject,
        coalesce(c.department, s.department) AS title,
        c.failed_block, c.failed_warn, c.failed_info, c.not_computed, s.expected, s.delivered, false AS is_empty
    FROM department_check AS c
    FULL JOIN source_due AS s ON c.department = s.department
    UNION ALL
    SELECT
        'district', d.division_code, d.division_name,
        coalesce(c.failed_block, 0) + coalesce(f.failed_block, 0), c.failed_warn, c.failed_info, 0,
        s.expected, s.delivered,
        p.division_code IS NULL AND s.division_code IS NULL
    FROM division_now AS d
    LEFT JOIN district_fall AS f ON d.division_code = f.division_code
    LEFT JOIN district_people AS p ON d.division_code = p.division_code
    LEFT JOIN district_check AS c ON d.division_code = c.division_code
    LEFT JOIN district_due AS s ON d.division_code = s.division_code
    WHERE d.level = 2
)

SELECT
    subject_kind,
    subject,
    title,
    CASE
        WHEN failed_block > 0 THEN 'F'
        WHEN failed_warn > 2 OR not_computed > 0 THEN 'D'
        WHEN failed_warn > 0 THEN 'C'
        WHEN failed_info > 0 THEN 'B'
        WHEN is_empty THEN NULL
        ELSE 'A'
    END AS grade,
    coalesce(failed_block, 0) AS failed_block,
    coalesce(failed_warn, 0) AS failed_warn,
    coalesce(failed_info, 0) AS failed_info,
    coalesce(not_computed, 0) AS not_computed,
    coalesce(expected, 0) AS expected,
    coalesce(delivered, 0) AS delivered,
    CASE WHEN expected > 0 THEN delivered::DOUBLE / expected END AS coverage
FROM subject
