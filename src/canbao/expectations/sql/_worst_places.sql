-- districts in which a measure is beyond its limit, the worst first
SELECT m.measure_id, d.division_name, m.numerator
FROM measure AS m
INNER JOIN division_now AS d ON m.division_code = d.division_code
WHERE m.failed
ORDER BY m.measure_id, m.numerator DESC, m.division_code
