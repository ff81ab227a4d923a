-- title: 税务缴费行 / tax payments with their person
-- grain: one row per payment in force
-- rules: PER-7
-- parts: laid out
-- columns:
--   is_staff: null for supplements and unknown types
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
    try_cast(k.insutype AS SMALLINT) AS insutype_no,
    c.system = 'staff' AS is_staff,
    month_no(least(k.accrym_begn, k.accrym_end)) AS begn_no,
    month_no(greatest(k.accrym_begn, k.accrym_end)) AS end_no,
    CASE WHEN k.pay_type = '40' THEN -abs(k.amount) ELSE k.amount END AS amount,
    k.paid_date,
    k.tier,
    coalesce(k.pay_type = '32', false) AS is_repair,
    CASE WHEN k.insu_admdvs IS NOT NULL THEN join_key(place6(k.insu_admdvs)) END AS place_key,
    CASE WHEN k.uscc IS NOT NULL THEN join_key(k.uscc) END AS uscc_key
FROM keyed AS k
LEFT JOIN number_link AS l ON k.number_key = l.number_key
LEFT JOIN code_insutype_class AS c ON k.insutype = c.code
