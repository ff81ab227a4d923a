-- Divisions that were sent anything.
SELECT DISTINCT division_code
FROM batch
ORDER BY division_code;
