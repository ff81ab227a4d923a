SELECT psn_no_a AS number_a, psn_no_b AS number_b, why
FROM merge_candidate
WHERE person_id = $id
ORDER BY why, psn_no_a, psn_no_b;
