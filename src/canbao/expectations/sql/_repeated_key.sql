-- the keys that a table has more than once; a hash finds the suspicious ones, so that only they are compared as text
SELECT {key}
FROM {{batch}}
WHERE hash({key}) IN (SELECT hash({key}) FROM {{batch}} GROUP BY hash({key}) HAVING count(*) > 1)
GROUP BY {key}
HAVING count(*) > 1
