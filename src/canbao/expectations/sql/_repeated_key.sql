-- the keys that a table has more than once
SELECT {key}
FROM {{batch}}
GROUP BY {key}
HAVING count(*) > 1
