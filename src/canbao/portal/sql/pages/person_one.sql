SELECT p.*, f.* EXCLUDE (person_id)
FROM person_lookup AS l
INNER JOIN person AS p ON l.n = p.rowid
INNER JOIN person_file AS f ON l.person_id = f.person_id
WHERE l.person_id = $id;
