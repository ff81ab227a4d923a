-- the keys that a table has more than once; hashes tell which are suspicious (_key_hash.sql), and only they are compared
SELECT {key}
FROM {{batch}}
WHERE hash({key}) IN (SELECT key_hash FROM {suspicious})
GROUP BY {key}
HAVING count(*) > 1
