-- The first publication of its insured year has nothing to be compared with: as if everybody had stood where they stand.
CREATE TABLE before AS
SELECT person_id, certno, psn_name, gend, age, household_no, uninsured_reason, household_tree, residence_tree
FROM person
WHERE insured_status = 'uninsured';
