-- divisions that have to do with the persons whom a file names by their numbers: registered, living, responsible.
-- grain: person and division
SELECT p.person_id, p.resd_code AS division_code
FROM fact_person AS p
INNER JOIN fact_number AS f ON p.person_id = f.person_id
WHERE p.resd_code IS NOT NULL
UNION
SELECT p.person_id, p.live_code
FROM fact_person AS p
INNER JOIN fact_number AS f ON p.person_id = f.person_id
WHERE p.live_code IS NOT NULL
UNION
SELECT r.person_id, r.division_code
FROM responsibility AS r
INNER JOIN fact_number AS f ON r.person_id = f.person_id
