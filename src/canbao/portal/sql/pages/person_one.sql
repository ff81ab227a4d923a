SELECT p.*, f.* EXCLUDE (person_id)
FROM person AS p
CROSS JOIN (SELECT * FROM person_file WHERE person_id = $id) AS f
WHERE p.rowid = $n;
