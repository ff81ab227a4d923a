-- numbers of people that stand where a row code is missing, or beside one; a 15-digit one in its 18-digit form too.
-- grain: one row per returned row and form
SELECT n, certno AS value
FROM returned
WHERE certno IS NOT NULL
UNION
SELECT n, number_text(certno)
FROM returned
WHERE certno IS NOT NULL
