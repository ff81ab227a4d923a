SELECT *
FROM receipt
WHERE
    (:divisions IS NULL OR division_code IN (SELECT value FROM json_each(:divisions)))
    AND (:account IS NULL OR account = :account)
    AND (:state IS NULL OR state = :state)
    AND (:sha256 IS NULL OR sha256 = :sha256)
    AND (:day IS NULL OR day = :day)
ORDER BY receipt_no DESC
LIMIT :most
