SELECT person_id, division_code, reason_code, found_date, outcome, why, contradicted_by, other_division
FROM feedback
WHERE person_id IN (SELECT unnest($ids));
