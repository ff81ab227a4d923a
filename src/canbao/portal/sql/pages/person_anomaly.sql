SELECT *
FROM anomaly
WHERE person_id = $id
ORDER BY kind, anomaly_id;
