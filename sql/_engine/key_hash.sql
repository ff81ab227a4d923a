-- A hash of the key of each row of a source. A row without the first part of its key repeats nobody.
SELECT hash({key}) AS key_hash
FROM staged_{source}
WHERE {first_key} IS NOT NULL
