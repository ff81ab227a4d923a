-- title: 人员最近一次核实 / the newest answer in force about a person
-- grain: one row per person with an answer in force
SELECT person_key, reason_code, found_date, division_code, end_date, waits, priority
FROM feedback_row
WHERE in_force AND person_key IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY person_key ORDER BY found_date DESC, division_code, batch_id, reason_code
) = 1
