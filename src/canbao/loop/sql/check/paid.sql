-- the last month that somebody paid for each person of a file. grain: one row per person with a paid month
SELECT c.person_id, max(c.end_month) AS paid_to
FROM coverage AS c
INNER JOIN asked_person AS a ON c.person_id = a.person_id
WHERE c.paid
GROUP BY c.person_id
