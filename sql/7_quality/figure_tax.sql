-- title: 税务与医保总数 / people paid for by tax against people with a relation
-- grain: one row per measure and division: a district, or '' for the city
-- rules: DUP-5
-- columns:
--   numerator: people by which the two totals differ
--   denominator: people with a resident relation of the insured year
--   value: numerator over denominator
--   enough: whether there is enough to judge by
WITH
counted AS (
    SELECT place6(insu_admdvs) AS place, count(*) AS bureau, count(paid_date) AS tax
    FROM entitlement
    GROUP BY ALL
    UNION ALL
    SELECT place6(insu_admdvs), 0, count(DISTINCT person_id)
    FROM premium_reconciliation
    WHERE class = 'paid_without_record' AND insutype = '390'
    GROUP BY ALL
),

placed AS (
    SELECT n.l2 AS district, sum(c.bureau)::BIGINT AS bureau, sum(c.tax)::BIGINT AS tax
    FROM counted AS c
    INNER JOIN division_successor AS s ON code12(c.place) = s.division_code
    INNER JOIN division_now AS n ON s.current_code = n.division_code
    WHERE n.l2 IS NOT NULL
    GROUP BY n.l2
    UNION ALL
    SELECT NULL, sum(bureau)::BIGINT, sum(tax)::BIGINT
    FROM counted
)

SELECT
    d.measure_id,
    coalesce(p.district, '') AS division_code,
    abs(p.bureau - p.tax) AS numerator,
    p.bureau AS denominator,
    CASE WHEN p.bureau > 0 THEN abs(p.bureau - p.tax)::DOUBLE / p.bureau ELSE 0 END AS value,
    abs(p.bureau - p.tax) >= d.least AS enough
FROM measure_def AS d
CROSS JOIN placed AS p
INNER JOIN source_delivery AS t ON t.source = 'tax_payment'
WHERE d.figure = 'figure_tax'
