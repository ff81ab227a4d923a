-- title: 登记在多人名下的电话 / telephones of more people than can share one
-- grain: one row per telephone of more than 20 people of the population
WITH
suspicious AS (
    SELECT hash(tel) AS tel_key
    FROM src_population
    WHERE tel IS NOT NULL
    GROUP BY tel_key
    HAVING count(*) > 20
)

SELECT tel
FROM src_population
WHERE hash(tel) IN (SELECT tel_key FROM suspicious)
GROUP BY tel
HAVING count(*) > 20
