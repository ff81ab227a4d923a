-- title: 人员历年参保 / years in which a person was covered
-- grain: one row per person with any covered year
-- rules: WAIT-8, LED-2
-- parts: computed
-- columns:
--   any_bits: bit of a year (bit 0 = 1990) in which any basic insurance covered a month
--   resident_bits: the same for resident insurance
WITH
year_seen AS (
    SELECT person_key, year, system
    FROM covered_year
    UNION ALL
    SELECT
        i.person_key,
        unnest(range(greatest(i.begn_no // 12, 1990), least(i.end_no // 12, run.insured_year) + 1))::INTEGER AS year,
        i.system
    FROM interval_cover AS i
    CROSS JOIN run
    WHERE i.paid
),

own AS (
    SELECT
        person_key,
        bit_or(1::BIGINT << (year - 1990)) AS any_bits,
        bit_or(CASE WHEN system = 'resident' THEN 1::BIGINT << (year - 1990) ELSE 0 END) AS resident_bits
    FROM year_seen
    WHERE year BETWEEN 1990 AND 2050
    GROUP BY person_key
)

SELECT
    coalesce(o.person_key, h.person_key) AS person_key,
    coalesce(o.any_bits, 0) | coalesce(h.any_bits, 0) AS any_bits,
    coalesce(o.resident_bits, 0) | coalesce(h.resident_bits, 0) AS resident_bits
FROM own AS o
FULL JOIN history_person AS h ON o.person_key = h.person_key
