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
candidate AS (
    SELECT
        p.person_key,
        p.row_no,
        p.insu_year,
        p.month_no,
        CASE WHEN p.is_staff THEN t.uscc END AS uscc,
        p.amount,
        p.paid_date,
        t.pay_id,
        t.insutype
    FROM repeated_payment AS p
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
    o.insutype,
    month_text(o.month_no) AS month,
    o.uscc,
    o.first_pay_id
FROM ordered AS o
INNER JOIN person_identity AS i ON o.person_key = i.person_key
WHERE o.order_no > 1
QUALIFY row_number() OVER (PARTITION BY o.row_no ORDER BY o.insu_year, o.month_no) = 1
