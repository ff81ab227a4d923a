-- title: 本年度居民关系 / the resident relation of the insured year that speaks for a person
-- grain: one row per person with a resident relation of this city in the insured year
-- rules: PER-1, PER-3, PER-4, PER-5, PER-6
WITH
chosen AS (
    SELECT
        r.person_key,
        r.psn_insu_rlts_id,
        w.insu_admdvs,
        coalesce(CASE WHEN y.tier IN ('1', '2') THEN y.tier END, w.tier) AS tier,
        y.paid_date,
        y.by_aid
    FROM relation AS r
    CROSS JOIN run
    INNER JOIN relation_row AS w ON r.row_no = w.row_no
    LEFT JOIN resident_year AS y ON r.row_no = y.rel_no AND y.year = run.insured_year
    WHERE r.system = 'resident' AND NOT r.is_elsewhere AND r.of_year AND r.psn_insu_stas IN ('1', '2', '4')
    -- of several the one paid for and not stopped, paid first
    QUALIFY row_number() OVER (
        PARTITION BY r.person_key
        ORDER BY r.is_stopped, (y.paid_date IS NULL), y.paid_date, r.psn_insu_rlts_id
    ) = 1
)

SELECT c.*, f.brdy
FROM chosen AS c
INNER JOIN person_fact AS f ON c.person_key = f.person_key
