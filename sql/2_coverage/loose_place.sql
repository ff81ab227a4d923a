-- title: 无参保关系缴费的地点 / place of payments that belong to no relation
-- grain: one row per person, insurance type and year with such a payment
-- columns:
--   insu_admdvs: the payment's place as delivered; of several the first in text order
WITH
loose AS (
    SELECT row_no, person_key, insutype_no, unnest(range(begn_no // 12, end_no // 12 + 1))::INTEGER AS year
    FROM payment
    WHERE rel_no IS NULL
)

SELECT p.person_key, p.insutype_no, p.year, min(t.insu_admdvs) AS insu_admdvs
FROM loose AS p
INNER JOIN src_tax_payment AS t ON p.row_no = t.row_no
GROUP BY p.person_key, p.insutype_no, p.year
