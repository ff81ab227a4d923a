-- Who of some people is uninsured and the responsibility of a division, or of what lies in it.
SELECT DISTINCT person_id, 'uninsured' AS insured_status, household_tree, residence_tree, psn_name
FROM worklist
WHERE tree BETWEEN $t0 AND $t1 AND person_id IN (SELECT unnest($ids));
