-- title: 末次参保 / where an uninsured person was insured last
-- grain: one row per uninsured person with any earlier insurance
-- rules: LED-2
-- parts: computed
WITH
seen AS (
    SELECT
        c.person_key,
        c.year,
        last_bit(c.month_bits) AS bit,
        c.insutype_no::VARCHAR AS insutype,
        CASE WHEN c.rel_no IS NULL THEN o.insu_admdvs ELSE r.insu_admdvs END AS insu_admdvs
    FROM covered_year AS c
    INNER JOIN person_status AS s ON c.person_key = s.person_key AND s.status = 'uninsured'
    LEFT JOIN relation_row AS r ON c.rel_no = r.row_no
    LEFT JOIN loose_place AS o
        ON c.person_key = o.person_key AND c.insutype_no = o.insutype_no AND c.year = o.year
    UNION ALL
    SELECT i.person_key, i.end_no // 12, i.end_no % 12, i.insutype_no::VARCHAR, r.insu_admdvs
    FROM interval_cover AS i
    INNER JOIN person_status AS s ON i.person_key = s.person_key AND s.status = 'uninsured'
    INNER JOIN relation_row AS r ON i.rel_no = r.row_no
    WHERE i.paid
    UNION ALL
    SELECT h.person_key, h.last_year_type // 1000, -1, (h.last_year_type % 1000)::VARCHAR, NULL
    FROM history_person AS h
    INNER JOIN person_status AS s ON h.person_key = s.person_key AND s.status = 'uninsured'
    WHERE h.last_year_type IS NOT NULL
    UNION ALL
    -- an earlier relation without any payment in the files still says where the person was enrolled
    SELECT r.person_key, r.base_year, -2, r.insutype_no::VARCHAR, w.insu_admdvs
    FROM relation AS r
    CROSS JOIN run
    INNER JOIN person_status AS s ON r.person_key = s.person_key AND s.status = 'uninsured'
    INNER JOIN relation_row AS w ON r.row_no = w.row_no
    WHERE r.psn_insu_stas IN ('1', '2', '4') AND r.base_year < run.insured_year
)

SELECT person_key, year AS last_insured_year, insutype AS last_insutype, insu_admdvs AS last_admdvs
FROM seen
CROSS JOIN run
-- what is paid ahead for a year to come is no last time
WHERE year <= run.insured_year
QUALIFY row_number() OVER (
    PARTITION BY person_key ORDER BY year DESC, bit DESC, insutype, insu_admdvs NULLS LAST
) = 1
