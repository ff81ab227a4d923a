-- title: 税务缴费行 / tax payments with their person
-- grain: one row per payment in force
-- rules: PER-7
-- columns:
--   amount: refunds and reversals are negative
--   is_repair: pays for a lapsed year and shortens the waiting period, nothing else (WAIT-4)
WITH
keyed AS (
    SELECT *, number_key(certno) AS number_key
    FROM src_tax_payment
)

SELECT
    k.row_no,
    k.number_key,
    coalesce(l.person_key, k.number_key) AS person_key,
    length(k.certno) <> 18 AS has_other_length,
    k.insutype,
    c.system,
    month_no(least(k.accrym_begn, k.accrym_end)) AS begn_no,
    month_no(greatest(k.accrym_begn, k.accrym_end)) AS end_no,
    CASE WHEN k.pay_type = '40' THEN -abs(k.amount) ELSE k.amount END AS amount,
    k.paid_date,
    k.tier,
    coalesce(k.pay_type = '32', false) AS is_repair,
    k.insu_admdvs,
    place6(k.insu_admdvs) AS place6,
    k.uscc
FROM keyed AS k
LEFT JOIN number_link AS l ON k.number_key = l.number_key
LEFT JOIN code_insutype_class AS c ON k.insutype = c.code
