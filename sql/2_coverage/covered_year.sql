-- title: 各年参保月份（缴费或全额资助） / months covered by payment or by full aid
-- grain: one row per person, relation (null: payments without one), insurance type and year
-- rules: DUP-5, AID-2
-- parts: computed
-- columns:
--   by_aid: no payment, the aid leaves no personal share
WITH
aided AS (
    SELECT
        rel_no,
        person_key,
        insutype_no,
        year,
        (4096 - (1 << greatest(0, least(11, date_month_no(begn_date) - year * 12))))::INTEGER AS month_bits
    FROM full_aid_year
)

SELECT
    p.person_key,
    p.rel_no,
    CASE WHEN p.is_staff THEN 'staff' ELSE 'resident' END AS system,
    p.insutype_no,
    p.year,
    -- who paid all the same, and for fewer months, is covered by the aid in the others
    p.month_bits | coalesce(a.month_bits, 0) AS month_bits,
    p.amount,
    false AS by_aid
FROM paid_year AS p
LEFT JOIN aided AS a ON p.rel_no = a.rel_no AND p.year = a.year
UNION ALL
SELECT
    a.person_key,
    a.rel_no,
    'resident' AS system,
    a.insutype_no,
    a.year,
    a.month_bits,
    0 AS amount,
    true AS by_aid
FROM aided AS a
WHERE NOT EXISTS (SELECT 1 FROM paid_year AS p WHERE p.rel_no = a.rel_no AND p.year = a.year)
