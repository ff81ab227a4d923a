-- title: 无参保关系缴费的地点 / place of payments that belong to no relation
-- grain: one row per person and insurance type with such a payment
-- columns:
--   insu_admdvs: the payment's place as delivered; of several the first in text order
SELECT p.person_key, p.insutype_no, min(t.insu_admdvs) AS insu_admdvs
FROM payment AS p
INNER JOIN src_tax_payment AS t ON p.row_no = t.row_no
WHERE p.rel_no IS NULL
GROUP BY p.person_key, p.insutype_no
