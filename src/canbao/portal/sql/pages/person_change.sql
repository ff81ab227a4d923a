SELECT *
FROM change
WHERE person_id = $id
ORDER BY cause;
