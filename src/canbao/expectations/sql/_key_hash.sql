-- a hash of the key of each row
SELECT hash({key}) AS key_hash
FROM {table}
