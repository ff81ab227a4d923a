-- the last month that somebody paid for those persons of a file whose answer has a limit on that.
-- grain: one row per person with a paid month
WITH
limited AS (
    SELECT DISTINCT unnest(string_split(reasons, '|')) AS reason_code
    FROM code_feedback_limit
    WHERE measure = 'months_paid_after'
),

asked AS (
    SELECT s.person_id
    FROM returned AS r
    INNER JOIN limited AS l ON r.reason_code = l.reason_code
    INNER JOIN sent AS s ON r.code = s.row_code
    UNION
    SELECT f.person_id
    FROM returned AS r
    INNER JOIN limited AS l ON r.reason_code = l.reason_code
    INNER JOIN asked_number AS a ON r.n = a.n
    INNER JOIN fact_number AS f ON a.value = f.value
)

SELECT c.person_id, max(c.end_month) AS paid_to
FROM coverage AS c
INNER JOIN asked AS a ON c.person_id = a.person_id
WHERE c.paid
GROUP BY c.person_id
