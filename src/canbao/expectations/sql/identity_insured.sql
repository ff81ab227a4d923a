-- cells where insured <> insured_staff + insured_resident + insured_elsewhere + attached_newborn (contract section 3.6)
SELECT
  insu_year,
  basis,
  level,
  division_code
FROM {batch}
WHERE measure IN ('insured', 'insured_staff', 'insured_resident', 'insured_elsewhere', 'attached_newborn')
GROUP BY ALL
HAVING sum(CASE WHEN measure = 'insured' THEN value ELSE -value END) <> 0
