SELECT p.person_id, p.insured_status, p.household_tree, p.residence_tree, p.psn_name, p.certno, p.gend, p.age
FROM person_lookup AS l
INNER JOIN person AS p ON l.n = p.rowid
WHERE l.person_id IN (SELECT unnest($ids));
