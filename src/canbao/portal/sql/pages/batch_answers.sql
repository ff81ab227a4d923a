SELECT row_code, found_date, division_code, outcome, why, contradicted_by, other_division
FROM feedback
WHERE batch_id = $id AND row_code IS NOT NULL;
