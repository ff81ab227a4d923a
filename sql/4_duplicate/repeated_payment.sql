-- title: 同一期间的多笔缴费 / payments of a person for a month or year that is paid for more than once
-- grain: one row per payment and such month (staff) or year (resident)
-- rules: DUP-7, PER-8, PER-9
-- parts: computed
-- columns:
--   month_no: null for a resident year
WITH
period AS (
    -- resident premiums are compared by year, staff premiums by month (duplicate_payment then by employer too)
    SELECT
        person_key,
        row_no,
        is_staff,
        begn_no // 12 AS insu_year,
        CASE WHEN is_staff THEN begn_no END AS month_no,
        amount,
        paid_date
    FROM payment
    UNION ALL
    -- a payment over several months or years (PER-8, PER-9) pays for each of them
    SELECT
        person_key,
        row_no,
        is_staff,
        no // 12 AS insu_year,
        CASE WHEN is_staff THEN no END AS month_no,
        amount,
        paid_date
    FROM (
        SELECT
            *,
            unnest(
                CASE
                    WHEN is_staff THEN range(begn_no + 1, end_no + 1)
                    ELSE range((begn_no // 12 + 1) * 12, (end_no // 12 + 1) * 12, 12)
                END
            )::INTEGER AS no
        FROM payment
        WHERE CASE WHEN is_staff THEN begn_no < end_no ELSE begn_no // 12 < end_no // 12 END
    ) AS further
),

-- a bit for each month or year paid for: fewer bits than payments, or two of them share one; else nothing is repeated
doubtful AS (
    SELECT person_key, is_staff
    FROM period
    WHERE is_staff IS NOT NULL
    GROUP BY person_key, is_staff
    HAVING
        count(*)
        > coalesce(bit_count(bit_or(1::BIGINT << (CASE WHEN is_staff THEN month_no ELSE insu_year END % 62))), 0)
),

repeated AS (
    SELECT p.person_key, p.is_staff, p.insu_year, p.month_no
    FROM period AS p
    INNER JOIN doubtful AS d ON p.person_key = d.person_key AND p.is_staff = d.is_staff
    GROUP BY p.person_key, p.is_staff, p.insu_year, p.month_no
    HAVING count(*) > 1
)

SELECT p.person_key, p.row_no, p.is_staff, p.insu_year, p.month_no, p.amount, p.paid_date
FROM period AS p
INNER JOIN repeated AS r
    ON
        p.person_key = r.person_key
        AND p.is_staff = r.is_staff
        AND p.insu_year = r.insu_year
        AND p.month_no IS NOT DISTINCT FROM r.month_no
