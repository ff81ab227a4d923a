-- title: 下发行的回收情况 / rows that were sent out, with their answer
-- grain: one row per row sent out by the as-of date
-- rules: LED-3
-- columns:
--   outcome, why: of the answer that speaks for the row (its newest that no later one replaced), null where there is none
--   is_open: still uninsured tonight
--   is_overdue: no answer, the day it was due has passed, the person is still uninsured, the batch was not recalled
--   of_year: sent for the insured year
WITH
answer AS (
    SELECT batch_no, serial, outcome, why
    FROM feedback_judged
    WHERE batch_no IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY batch_no, serial ORDER BY (why = 'superseded'), found_date DESC, row_no DESC
    ) = 1
)

SELECT
    p.batch_no,
    p.serial,
    p.person_key,
    p.is_recalled,
    p.sent >= run.newborn_from AS of_year,
    a.batch_no IS NOT NULL AS is_answered,
    a.outcome,
    a.why,
    coalesce(s.status = 'uninsured', false) AS is_open,
    coalesce(s.status IN ('staff', 'resident', 'elsewhere', 'attached_newborn'), false) AS is_insured,
    a.batch_no IS NULL AND NOT p.is_recalled AND p.due < run.as_of AND coalesce(s.status = 'uninsured', false)
        AS is_overdue
FROM sent_person AS p
CROSS JOIN run
LEFT JOIN answer AS a ON p.batch_no = a.batch_no AND p.serial = a.serial
LEFT JOIN person_status AS s ON p.person_key = s.person_key
