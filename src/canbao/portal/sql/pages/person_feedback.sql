SELECT *
FROM feedback
WHERE person_id = $id
ORDER BY found_date DESC, batch_id, division_code;
