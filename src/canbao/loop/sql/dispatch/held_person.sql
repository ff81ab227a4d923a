-- Persons about whom an answer holds: until its end date, else for as long as its reason does (reason_class.holds_days).
-- What the night found contradicted or overtaken holds nothing. Nobody is asked again about whom two places disagree, until
-- their superior has decided. grain: one row per person
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

disputed AS (
    SELECT u.person_id FROM uninsured AS u WHERE u.feedback_disputed
    UNION
    SELECT f.person_id FROM feedback AS f WHERE f.effect = 'disputed' AND f.person_id IS NOT NULL
),

void AS (
    SELECT person_id, division_code, reason_code, found_date
    FROM feedback
    WHERE person_id IS NOT NULL
    GROUP BY person_id, division_code, reason_code, found_date
    HAVING bool_and(contradicted_by IS NOT NULL OR effect NOT IN ('stands', 'waits'))
)

SELECT person_id, true AS is_disputed FROM disputed
UNION ALL
SELECT DISTINCT s.person_id, false
FROM said AS s
LEFT JOIN disputed AS p ON s.person_id = p.person_id
CROSS JOIN asked
INNER JOIN code_reason_class AS r ON s.reason_code = r.code
LEFT JOIN void AS v
    ON
        s.person_id = v.person_id AND s.division_code = v.division_code
        AND s.reason_code = v.reason_code AND s.found_date = v.found_date
WHERE
    v.person_id IS NULL AND p.person_id IS NULL
    AND CASE
        WHEN s.end_date IS NOT NULL THEN s.end_date >= asked.day
        ELSE s.found_date + try_cast(r.holds_days AS INTEGER) >= asked.day
    END
