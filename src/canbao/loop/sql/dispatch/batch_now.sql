-- Batches that were sent and not recalled, with the division in use that they are of today.
SELECT b.*, coalesce(c.place_code, b.division_code) AS place_code
FROM batch AS b
LEFT JOIN division_code AS c ON b.division_code = c.code
WHERE b.state = 'open'
