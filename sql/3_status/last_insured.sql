-- title: 末次参保 / where an uninsured person was insured last
-- grain: one row per uninsured person with any earlier insurance
-- rules: LED-2
WITH
loose_place AS (
    SELECT p.person_key, p.insutype, min(r.insu_admdvs) AS insu_admdvs
    FROM payment AS p
    INNER JOIN payment_row AS r ON p.row_no = r.row_no
    WHERE p.rel_no IS NULL
    GROUP BY p.person_key, p.insutype
),

seen AS (
    SELECT
        c.person_key,
        c.year,
        floor(log2(c.month_bits))::INTEGER AS bit,
        c.insutype,
        coalesce(r.insu_admdvs, o.insu_admdvs) AS insu_admdvs
    FROM covered_year AS c
    INNER JOIN person_status AS s ON c.person_key = s.person_key AND s.status = 'uninsured'
    LEFT JOIN relation_row AS r ON c.rel_no = r.row_no
    LEFT JOIN loose_place AS o ON c.person_key = o.person_key AND c.insutype = o.insutype
    UNION ALL
    SELECT i.person_key, i.end_no // 12, i.end_no % 12, i.insutype, r.insu_admdvs
    FROM interval_cover AS i
    INNER JOIN person_status AS s ON i.person_key = s.person_key AND s.status = 'uninsured'
    INNER JOIN relation_row AS r ON i.rel_no = r.row_no
    WHERE i.paid
    UNION ALL
    SELECT o.person_key, h.insu_year, -1, h.insutype, NULL
    FROM src_enrollment_history AS h
    INNER JOIN other_row AS o ON h.row_no = o.row_no AND o.source = 'enrollment_history'
    INNER JOIN person_status AS s ON o.person_key = s.person_key AND s.status = 'uninsured'
    INNER JOIN code_insutype_class AS c ON h.insutype = c.code
    WHERE h.months >= 1
    UNION ALL
    -- an earlier relation without any payment in the files still says where the person was enrolled
    SELECT r.person_key, coalesce(r.base_year, year(r.begn_date)), -2, r.insutype, r.insu_admdvs
    FROM relation AS r
    CROSS JOIN run
    INNER JOIN person_status AS s ON r.person_key = s.person_key AND s.status = 'uninsured'
    WHERE r.psn_insu_stas IN ('1', '2', '4') AND coalesce(r.base_year, year(r.begn_date)) < run.insured_year
)

SELECT person_key, year AS last_insured_year, insutype AS last_insutype, insu_admdvs AS last_admdvs
FROM seen
QUALIFY row_number() OVER (
    PARTITION BY person_key ORDER BY year DESC, bit DESC, insutype, insu_admdvs NULLS LAST
) = 1
