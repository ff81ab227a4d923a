SELECT person_id, insured_status, household_tree, residence_tree, psn_name
FROM person
WHERE rowid = $n;
