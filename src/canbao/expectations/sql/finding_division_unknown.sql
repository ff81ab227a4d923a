-- people whose registered or living division is inside the city but in no division table
SELECT s.*
FROM {batch} AS s
LEFT JOIN division_known AS r ON s.resd_code = r.division_code
LEFT JOIN division_known AS l ON s.live_code = l.division_code
CROSS JOIN city
WHERE
  (starts_with(s.resd_code, city.prefix) AND r.division_code IS NULL)
  OR (starts_with(s.live_code, city.prefix) AND l.division_code IS NULL)
