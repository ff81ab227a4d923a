-- cells where should_be_insured <> insured + uninsured, over every basis, level and division (contract section 3.6)
SELECT
  insu_year,
  basis,
  level,
  division_code
FROM {batch}
WHERE measure IN ('should_be_insured', 'insured', 'uninsured')
GROUP BY ALL
HAVING sum(CASE WHEN measure = 'should_be_insured' THEN value ELSE -value END) <> 0
