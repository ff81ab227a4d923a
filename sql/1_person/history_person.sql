-- title: 历年参保（一人一行） / years on record of a person
-- grain: one row per person of the enrollment history
-- rules: WAIT-8, LED-2
-- parts: laid out
-- columns:
--   any_bits: years with a month of basic insurance, bit 0 = 1990
--   resident_bits: the same for resident insurance
--   month_bits: months of the five years up to the insured one without its resident months, bit 0 = January of the first;
--     which months is not delivered: taken to be a year's last ones
--   last_year_type: last such year times 1000 plus its insurance type
--   first_no: row_no of the first row
WITH
keyed AS (
    SELECT
        number_key(h.certno) AS number_key,
        h.row_no,
        h.insu_year,
        h.months,
        try_cast(h.insutype AS SMALLINT) AS insutype_no,
        c.system,
        c.system IS NOT NULL AND h.months >= 1 AND h.insu_year BETWEEN 1990 AND 2050 AS counts
    FROM src_enrollment_history AS h
    LEFT JOIN code_insutype_class AS c ON h.insutype = c.code
)

SELECT
    coalesce(l.person_key, k.number_key) AS person_key,
    bit_or(CASE WHEN k.counts THEN 1::BIGINT << (k.insu_year - 1990) ELSE 0 END) AS any_bits,
    bit_or(CASE WHEN k.counts AND k.system = 'resident' THEN 1::BIGINT << (k.insu_year - 1990) ELSE 0 END)
        AS resident_bits,
    bit_or(
        CASE
            WHEN
                k.counts AND k.insu_year BETWEEN run.insured_year - 4 AND run.insured_year
                AND NOT (k.system = 'resident' AND k.insu_year = run.insured_year)
                THEN (4096 - (4096 >> least(k.months, 12)))::BIGINT << (k.insu_year - run.insured_year + 4) * 12
            ELSE 0
        END
    ) AS month_bits,
    max(CASE WHEN k.counts AND k.insu_year <= run.insured_year THEN k.insu_year * 1000 + k.insutype_no END)::INTEGER AS last_year_type,
    min(k.row_no) AS first_no
FROM keyed AS k
CROSS JOIN run
LEFT JOIN number_link AS l ON k.number_key = l.number_key
GROUP BY coalesce(l.person_key, k.number_key)
