-- title: 财政补助扣减控制数 / subsidy to deduct
-- grain: one row per insured year, place of the dropped relation and rule
-- rules: FIN-1, FIN-3, FIN-4, FIN-5
-- publish: insu_year, insu_admdvs, rule_id
-- columns:
--   insu_year: year whose subsidy is deducted
--   insu_admdvs: six digits of the dropped relation's place, as delivered
--   rule_id: FIN-1 (resident twice) or FIN-3 (staff and resident)
--   cases: dropped relations
--   per_capita: subsidy a person and year, yuan; null where no document gives it
--   amount: sum of subsidy_deduct_amt, yuan; null where no document gives the year's subsidy
SELECT
    d.subsidy_year AS insu_year,
    place6(d.notify_admdvs) AS insu_admdvs,
    d.deduct_rule AS rule_id,
    count(*)::BIGINT AS cases,
    max(y.subsidy_amt) AS per_capita,
    CASE WHEN count(d.subsidy_deduct_amt) = count(*) THEN sum(d.subsidy_deduct_amt) END::DECIMAL(14, 2) AS amount
FROM duplicate_enrollment AS d
LEFT JOIN year_param AS y ON d.subsidy_year = y.insu_year
WHERE d.deduct_rule IN ('FIN-1', 'FIN-3')
GROUP BY d.subsidy_year, place6(d.notify_admdvs), d.deduct_rule
