-- title: 参保关系及其缴费 / relations with what they cover
-- grain: one row per relation of a basic insurance
-- rules: DUP-1, DUP-5
-- joins: as written
-- parts: computed
-- columns:
--   base_year: insured year that a resident relation was begun for, year of begn_date otherwise
--   of_year: the relation is of the insured year (contract 3.2); for staff: it touches the year
--   covers_now: makes its person staff insured today
--   covers_year: resident: paid or fully aided for the insured year; elsewhere: normal
--   span_bits: covered months of the span in which duplicates are sought
WITH
interval_bits AS (
    SELECT
        i.rel_no,
        bit_or(
            ((1::BIGINT << (least(i.end_no, run.year_last_month) - run.span_first_month + 1)) - 1)
            - ((1::BIGINT << (greatest(i.begn_no, run.span_first_month) - run.span_first_month)) - 1)
        ) AS span_bits
    FROM interval_cover AS i
    CROSS JOIN run
    WHERE least(i.end_no, run.year_last_month) >= greatest(i.begn_no, run.span_first_month)
    GROUP BY i.rel_no
)

SELECT
    r.row_no,
    r.person_key,
    r.psn_insu_rlts_id,
    r.insutype_no,
    r.system,
    r.psn_insu_stas,
    r.insu_admdvs,
    r.tier,
    r.begn_date,
    r.needs_no_payment,
    r.is_flexible,
    r.is_retired,
    r.is_elsewhere,
    r.is_normal,
    r.is_stopped,
    coalesce(s.base_year, year(r.begn_date))::INTEGER AS base_year,
    p.last_no,
    p.year_amount,
    CASE
        WHEN r.is_elsewhere THEN r.is_normal AND r.begn_date <= run.year_end
        WHEN r.system = 'resident' THEN coalesce(p.covers_year, false)
        ELSE coalesce(p.covers_year, false) OR (r.needs_no_payment AND r.is_normal)
    END AS covers_year,
    r.system = 'staff' AND NOT r.is_elsewhere AND r.is_normal AND (r.needs_no_payment OR coalesce(p.paid_now, false))
        AS covers_now,
    CASE
        WHEN r.system = 'resident' AND NOT r.is_elsewhere
            THEN
                coalesce(p.covers_year, false)
                OR (p.rel_no IS NULL AND coalesce(s.base_year, year(r.begn_date)) = run.insured_year)
        ELSE
            coalesce(p.covers_year, false)
            OR year(r.begn_date) = run.insured_year
            OR coalesce(year(r.end_date) = run.insured_year, false)
    END AS of_year,
    coalesce(p.span_bits, 0) | coalesce(i.span_bits, 0) AS span_bits
FROM relation_row AS r
CROSS JOIN run
LEFT JOIN relation_paid AS p ON r.row_no = p.rel_no
LEFT JOIN relation_start AS s ON r.row_no = s.rel_no
LEFT JOIN interval_bits AS i ON r.row_no = i.rel_no
WHERE r.system IS NOT NULL
