-- title: 各年参保月份（缴费或全额资助） / months covered by payment or by full aid
-- grain: one row per person, relation (null: payments without one), insurance type and year
-- rules: DUP-5, AID-2
-- parts: computed
-- columns:
--   by_aid: no payment, the aid leaves no personal share
SELECT
    person_key,
    rel_no,
    CASE WHEN is_staff THEN 'staff' ELSE 'resident' END AS system,
    insutype_no,
    year,
    month_bits,
    amount,
    false AS by_aid
FROM paid_year
UNION ALL
SELECT
    f.person_key,
    f.rel_no,
    'resident' AS system,
    f.insutype_no,
    f.year,
    (4096 - (1 << greatest(0, least(11, date_month_no(f.begn_date) - f.year * 12))))::INTEGER AS month_bits,
    0 AS amount,
    true AS by_aid
FROM full_aid_year AS f
WHERE NOT EXISTS (SELECT 1 FROM paid_year AS p WHERE p.rel_no = f.rel_no AND p.year = f.year)
