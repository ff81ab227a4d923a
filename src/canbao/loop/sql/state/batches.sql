SELECT *
FROM batch
WHERE
    (:divisions IS NULL OR division_code IN (SELECT value FROM json_each(:divisions)))
    AND (:numbers IS NULL OR batch_no IN (SELECT value FROM json_each(:numbers)))
    AND (:round_no IS NULL OR round_no = :round_no)
    AND (:state IS NULL OR state = :state)
    AND (:kind IS NULL OR kind = :kind)
ORDER BY batch_no
