-- persons that the numbers of a file belong to. grain: one row per number asked for that somebody has
SELECT i.value, min(i.person_id) AS person_id
FROM identifier AS i
INNER JOIN asked_number AS a ON i.value = a.value
WHERE i.kind IN ('certno', 'birth_cert_no')
GROUP BY i.value
