-- relations whose employer no register of enterprises knows, where one was delivered
SELECT *
FROM {batch}
WHERE
  uscc IS NOT NULL
  AND EXISTS (SELECT 1 FROM src_enterprise)
  AND uscc NOT IN (SELECT e.uscc FROM src_enterprise AS e WHERE e.uscc IS NOT NULL)
