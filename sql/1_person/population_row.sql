-- title: 公安人口行 / numbers of the population rows with their person
-- grain: one row per population row in force
-- parts: laid out
-- columns:
--   odd_certno: the number as written, where that is not the 18 digits of its key
WITH
keyed AS (
    SELECT row_no, certno, number_key(certno) AS number_key
    FROM src_population
)

SELECT
    k.row_no,
    k.number_key,
    coalesce(l.person_key, k.number_key) AS person_key,
    odd_number(k.certno, k.number_key) AS odd_certno
FROM keyed AS k
LEFT JOIN number_link AS l ON k.number_key = l.number_key
