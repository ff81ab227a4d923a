-- divisions that have to do with the persons of a file: registered, living, responsible. grain: person and division
SELECT a.person_id, p.resd_code AS division_code
FROM person AS p
INNER JOIN asked_person AS a ON p.person_id = a.person_id
WHERE p.resd_code IS NOT NULL
UNION
SELECT a.person_id, p.live_code
FROM person AS p
INNER JOIN asked_person AS a ON p.person_id = a.person_id
WHERE p.live_code IS NOT NULL
UNION
SELECT r.person_id, r.division_code
FROM responsibility AS r
INNER JOIN asked_person AS a ON r.person_id = a.person_id
