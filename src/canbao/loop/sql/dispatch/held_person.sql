-- Persons about whom an answer holds: until its end date, else for as long as its reason does (reason_class.holds_days).
-- What the night found contradicted, disputed or overtaken holds nothing.
WITH
said AS (
    SELECT
        u.person_id,
        u.feedback_division AS division_code,
        u.feedback_reason AS reason_code,
        u.feedback_date AS found_date,
        u.feedback_until AS end_date
    FROM uninsured AS u
    WHERE u.feedback_reason IS NOT NULL
    UNION
    SELECT person_id, division_code, reason_code, found_date, end_date
    FROM answer
),

void AS (
    SELECT person_id, division_code, reason_code, found_date
    FROM feedback
    WHERE person_id IS NOT NULL
    GROUP BY person_id, division_code, reason_code, found_date
    HAVING bool_and(contradicted_by IS NOT NULL OR effect NOT IN ('stands', 'waits'))
)

SELECT DISTINCT s.person_id
FROM said AS s
CROSS JOIN asked
INNER JOIN code_reason_class AS r ON s.reason_code = r.code
LEFT JOIN void AS v
    ON
        s.person_id = v.person_id AND s.division_code = v.division_code
        AND s.reason_code = v.reason_code AND s.found_date = v.found_date
WHERE
    v.person_id IS NULL
    AND CASE
        WHEN s.end_date IS NOT NULL THEN s.end_date >= asked.day
        ELSE s.found_date + try_cast(r.holds_days AS INTEGER) >= asked.day
    END
