-- title: 各关系的缴费情况 / what is paid for each relation
-- grain: one row per relation with a covered month
-- parts: computed
-- columns:
--   paid_now: the as-of month or the one before it is paid for
--   year_amount: net amount for the insured year, null where nothing is covered in it
--   span_bits: covered months of the span in which duplicates are sought, bit 0 its first month
SELECT
    c.rel_no,
    max(c.year * 12 + last_bit(c.month_bits)) AS last_no,
    bool_or(
        (c.year = run.as_of_month // 12 AND (c.month_bits >> (run.as_of_month % 12)) & 1 = 1)
        OR (c.year = (run.as_of_month - 1) // 12 AND (c.month_bits >> ((run.as_of_month - 1) % 12)) & 1 = 1)
    ) AS paid_now,
    sum(CASE WHEN c.year = run.insured_year THEN c.amount END) AS year_amount,
    bool_or(c.year = run.insured_year) AS covers_year,
    bit_or(
        CASE
            WHEN c.year * 12 >= run.span_first_month AND c.year <= run.insured_year
                THEN c.month_bits::BIGINT << (c.year * 12 - run.span_first_month)
            WHEN c.year * 12 + 11 >= run.span_first_month AND c.year <= run.insured_year
                THEN c.month_bits::BIGINT >> (run.span_first_month - c.year * 12)
            ELSE 0
        END
    ) AS span_bits
FROM covered_year AS c
CROSS JOIN run
WHERE c.rel_no IS NOT NULL
GROUP BY c.rel_no
