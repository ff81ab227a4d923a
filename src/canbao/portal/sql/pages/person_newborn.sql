SELECT
    status,
    list_60_90
FROM newborn
WHERE person_id = $id
ORDER BY status;
