-- title: 建议的核实结果 / what the data at hand suggest about an uninsured person
-- grain: one row per uninsured person about whom they suggest anything
-- rules: LED-2, LED-3
-- columns:
--   suggested_reason: a reason code; a suggestion for the visit, never a status
--   suggested_from: what it rests on, of several the first by rank (code_suggested_from)
WITH
open_person AS (
    SELECT * FROM person_status WHERE status = 'uninsured'
),

suggested AS (
    SELECT person_key, reason_code, 'last_visit' AS source FROM feedback_person
    UNION ALL
    SELECT person_key, 'W4', 'enrollment' FROM open_person WHERE is_unpaid
    UNION ALL
    SELECT
        person_key,
        CASE WHEN resd_status = '6' THEN 'F1' ELSE 'F3' END,
        'population'
    FROM open_person
    WHERE resd_status = '6' OR (resd_in_city AND live_code IS NOT NULL AND NOT live_in_city)
    UNION ALL
    SELECT o.person_key, 'I1', 'student'
    FROM open_person AS o
    INNER JOIN student_person AS s ON o.person_key = s.person_key AND s.at_school AND NOT s.in_city
    UNION ALL
    SELECT o.person_key, 'I1', 'employment'
    FROM open_person AS o
    CROSS JOIN city
    INNER JOIN employment_row AS e ON o.person_key = e.person_key AND e.kind <> 'unemployment'
    WHERE NOT starts_with(e.emp_place6, city.prefix)
    UNION ALL
    SELECT l.person_key, 'I1', 'enrollment_history'
    FROM last_insured AS l
    CROSS JOIN city
    CROSS JOIN run
    WHERE l.last_insured_year >= run.insured_year - 1 AND NOT starts_with(l.last_admdvs, city.prefix)
)

SELECT
    s.person_key,
    s.reason_code AS suggested_reason,
    s.source AS suggested_from
FROM suggested AS s
INNER JOIN code_suggested_from AS c ON s.source = c.code
QUALIFY row_number() OVER (PARTITION BY s.person_key ORDER BY c.rank::INTEGER, s.reason_code) = 1
