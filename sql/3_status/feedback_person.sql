-- title: 人员最近一次核实 / the newest answer in force about a person
-- grain: one row per uninsured person with an adopted answer; nobody about whom two answers contradict
WITH
disputed AS (
    SELECT DISTINCT person_key FROM feedback_dispute WHERE why = 'disputed'
)

SELECT f.person_key, f.reason_code, f.found_date, f.division_code, f.end_date, f.priority
FROM feedback_judged AS f
LEFT JOIN disputed AS d ON f.person_key = d.person_key
WHERE f.why IN ('adopted', 'waits') AND d.person_key IS NULL
QUALIFY row_number() OVER (
    PARTITION BY f.person_key ORDER BY f.found_date DESC, f.division_code, f.batch_id, f.reason_code
) = 1
