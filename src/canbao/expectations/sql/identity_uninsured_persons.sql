-- persons that are in the list of the uninsured or have that status, but not both (contract sections 3 and 3.3)
SELECT coalesce(p.person_id, u.person_id) AS person_id
FROM (SELECT person_id FROM person WHERE insured_status = 'uninsured') AS p
FULL JOIN {batch} AS u ON p.person_id = u.person_id
WHERE p.person_id IS NULL OR u.person_id IS NULL
