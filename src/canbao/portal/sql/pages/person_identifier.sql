SELECT kind, value AS number, source, first_delivery, last_delivery
FROM identifier
WHERE person_id = $id
ORDER BY kind, first_delivery, value;
