SELECT *
FROM duplicate
WHERE person_id = $id
ORDER BY rlts_a, rlts_b;
