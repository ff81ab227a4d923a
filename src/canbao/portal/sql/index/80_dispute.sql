-- Answers that contradict each other and wait for a common superior, family by family.
CREATE TABLE dispute AS
SELECT
    f.person_id,
    f.division_code,
    f.reason_code,
    f.found_date,
    f.end_date,
    f.row_code,
    f.batch_id,
    f.other_division,
    p.psn_name,
    p.certno,
    p.gend,
    p.age,
    p.resd_code,
    p.live_code,
    p.household_tree,
    p.residence_tree
FROM feedback AS f
INNER JOIN person AS p ON f.person_id = p.person_id
WHERE f.why = 'disputed'
ORDER BY p.household_tree, p.household_no, f.person_id, f.division_code, f.found_date DESC;
