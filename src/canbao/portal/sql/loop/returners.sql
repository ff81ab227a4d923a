-- Divisions that returned anything.
SELECT DISTINCT division_code
FROM receipt
ORDER BY division_code;
