SELECT *
FROM notice
WHERE person_id = $id
ORDER BY notice_id;
