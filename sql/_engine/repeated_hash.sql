-- Hashes that come more than once.
SELECT key_hash
FROM (
{hashes}
) AS h
GROUP BY key_hash
HAVING count(*) > 1
