-- title: 无需逐月缴费的参保区间 / months covered without a payment for each
-- grain: one row per relation and spell of months
-- rules: DUP-5
-- joins: as written
-- parts: computed
-- columns:
--   paid: counts as paid (elsewhere, retired, homes for veterans); false for months that are only expected
--   projected: expected to continue to the end of the insured year (contract 3.2)
WITH
spell AS (
    -- elsewhere: a normal record counts as paid from its beginning, a stopped one until its end
    SELECT
        r.row_no AS rel_no, r.person_key, r.system, r.insutype_no,
        date_month_no(r.begn_date) AS begn_no,
        CASE
            WHEN r.is_normal THEN least(run.year_last_month, coalesce(date_month_no(r.end_date), run.year_last_month))
            WHEN r.psn_insu_stas IN ('1', '2', '4') THEN date_month_no(r.end_date)
        END AS end_no,
        true AS paid,
        false AS projected
    FROM relation_row AS r
    CROSS JOIN run
    WHERE r.is_elsewhere AND r.system IS NOT NULL
    UNION ALL
    -- this city, no payment needed: until now, or until it was stopped
    SELECT
        r.row_no, r.person_key, r.system, r.insutype_no,
        date_month_no(r.begn_date),
        CASE
            WHEN r.is_normal THEN run.as_of_month
            WHEN r.psn_insu_stas IN ('1', '2', '4') THEN date_month_no(r.end_date)
        END,
        true,
        false
    FROM relation_row AS r
    CROSS JOIN run
    WHERE NOT r.is_elsewhere AND r.system = 'staff' AND r.needs_no_payment
    UNION ALL
    SELECT
        r.row_no, r.person_key, r.system, r.insutype_no,
        greatest(date_month_no(r.begn_date), run.as_of_month + 1),
        run.year_last_month,
        false,
        true
    FROM relation_row AS r
    CROSS JOIN run
    WHERE NOT r.is_elsewhere AND r.system = 'staff' AND r.needs_no_payment AND r.is_normal AND r.end_date IS NULL
    UNION ALL
    -- this city, paid up to now and without an end: taken to continue
    SELECT
        r.row_no, r.person_key, r.system, r.insutype_no,
        p.last_no + 1,
        run.year_last_month,
        false,
        true
    FROM relation_paid AS p
    CROSS JOIN run
    INNER JOIN relation_row AS r ON p.rel_no = r.row_no
    WHERE
        NOT r.is_elsewhere AND r.system = 'staff' AND NOT r.needs_no_payment
        AND r.is_normal AND r.end_date IS NULL AND p.paid_now
)

SELECT *
FROM spell
WHERE begn_no <= end_no
