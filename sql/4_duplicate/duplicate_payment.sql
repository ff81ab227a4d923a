-- title: 重复缴费 / premiums paid more than once
-- grain: one row per surplus payment
-- rules: DUP-7, PER-8, PER-9
-- publish: person_id, insu_year, pay_id
-- columns:
--   person_id: the person [sensitive]
--   pay_id: the later payment, which is the surplus
--   insu_year: insured year of its accrual
--   amount: yuan
--   insutype: insurance type
--   month: for staff insurance the first month paid for more than once, YYYYMM
--   uscc: employer of a staff payment
--   first_pay_id: the payment that stands
WITH
period AS (
    -- resident premiums are compared by year, staff premiums by month (and employer, below)
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
),

candidate AS (
    SELECT
        p.person_key,
        p.row_no,
        p.insu_year,
        p.month_no,
        CASE WHEN p.is_staff THEN t.uscc END AS uscc,
        p.amount,
        p.paid_date,
        t.pay_id
    FROM period AS p
    INNER JOIN repeated AS r
        ON
            p.person_key = r.person_key
            AND p.is_staff = r.is_staff
            AND p.insu_year = r.insu_year
            AND p.month_no IS NOT DISTINCT FROM r.month_no
    INNER JOIN src_tax_payment AS t ON p.row_no = t.row_no
),

numbered AS (
    -- the n-th refund of an amount takes back the n-th latest payment of that amount
    SELECT
        c.*,
        row_number() OVER (
            PARTITION BY c.person_key, c.insu_year, c.month_no, c.uscc, c.amount
            ORDER BY c.paid_date DESC, c.pay_id DESC
        ) AS rank_no
    FROM candidate AS c
),

effective AS (
    SELECT p.*
    FROM numbered AS p
    LEFT JOIN numbered AS r
        ON
            p.person_key = r.person_key
            AND p.insu_year = r.insu_year
            AND p.month_no IS NOT DISTINCT FROM r.month_no
            AND p.uscc IS NOT DISTINCT FROM r.uscc
            AND p.amount = -r.amount
            AND p.rank_no = r.rank_no
    WHERE p.amount > 0 AND r.row_no IS NULL
),

ordered AS (
    SELECT
        e.*,
        row_number() OVER w AS order_no,
        first_value(e.pay_id) OVER w AS first_pay_id
    FROM effective AS e
    WINDOW w AS (
        PARTITION BY e.person_key, e.insu_year, e.month_no, e.uscc
        ORDER BY e.paid_date, e.pay_id
    )
)

SELECT
    i.person_id,
    o.pay_id,
    o.insu_year,
    o.amount,
    t.insutype,
    month_text(o.month_no) AS month,
    o.uscc,
    o.first_pay_id
FROM ordered AS o
INNER JOIN src_tax_payment AS t ON o.row_no = t.row_no
INNER JOIN person_identity AS i ON o.person_key = i.person_key
WHERE o.order_no > 1
QUALIFY row_number() OVER (PARTITION BY o.row_no ORDER BY o.insu_year, o.month_no) = 1
