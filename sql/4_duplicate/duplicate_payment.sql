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
told AS (
    SELECT
        row_no, pay_id, insutype, uscc,
        month_no(least(accrym_begn, accrym_end)) AS begn_no,
        month_no(greatest(accrym_begn, accrym_end)) AS end_no
    FROM src_tax_payment
),

repeated AS (
    SELECT p.*, t.pay_id, t.insutype, CASE WHEN p.is_staff THEN t.uscc END AS uscc, t.begn_no, t.end_no
    FROM repeated_payment AS p
    INNER JOIN told AS t ON p.row_no = t.row_no
),

-- months and years of which something was given back: few, and only there payments are weighed against refunds
given_back AS (
    SELECT DISTINCT person_key, insu_year, month_no FROM repeated_payment WHERE amount < 0
),

marked AS (
    SELECT r.*, g.person_key IS NOT NULL AS has_refund
    FROM repeated AS r
    LEFT JOIN given_back AS g
        ON r.person_key = g.person_key AND r.insu_year = g.insu_year AND r.month_no IS NOT DISTINCT FROM g.month_no
),

weighed AS (
    SELECT * FROM marked WHERE has_refund
),

-- a refund that names no employer takes back what any of the month's paid
any_employer AS (
    SELECT r.row_no, r.month_no, min(p.uscc) AS uscc
    FROM weighed AS r
    INNER JOIN weighed AS p ON r.person_key = p.person_key AND r.month_no = p.month_no
    WHERE r.amount < 0 AND r.uscc IS NULL AND p.amount > 0
    GROUP BY r.row_no, r.month_no
),

candidate AS (
    SELECT
        p.person_key,
        p.row_no,
        p.insu_year,
        p.month_no,
        coalesce(p.uscc, e.uscc) AS uscc,
        p.amount,
        -- what of it pays for this month or year
        CASE
            WHEN p.is_staff THEN share_of(p.amount, 1, p.end_no - p.begn_no + 1)
            ELSE year_share(p.amount, p.begn_no, p.end_no, p.insu_year)
        END AS share,
        p.paid_date,
        p.pay_id,
        p.insutype
    FROM weighed AS p
    LEFT JOIN any_employer AS e ON p.row_no = e.row_no AND p.month_no = e.month_no
),

numbered AS (
    -- the n-th refund of an amount takes back the n-th latest payment of that amount
    SELECT
        c.*,
        row_number() OVER (
            PARTITION BY c.person_key, c.insu_year, c.month_no, c.uscc, c.share
            ORDER BY c.paid_date DESC, c.pay_id DESC
        ) AS rank_no
    FROM candidate AS c
),

left_over AS (
    SELECT p.*
    FROM numbered AS p
    LEFT JOIN numbered AS r
        ON
            p.person_key = r.person_key
            AND p.insu_year = r.insu_year
            AND p.month_no IS NOT DISTINCT FROM r.month_no
            AND p.uscc IS NOT DISTINCT FROM r.uscc
            AND p.share = -r.share
            AND p.rank_no = r.rank_no
    WHERE p.share <> 0 AND r.row_no IS NULL
),

-- a refund of another amount takes back what was paid last, one after the other
refunded AS (
    SELECT DISTINCT person_key, insu_year, month_no, uscc FROM left_over WHERE share < 0
),

running AS (
    SELECT
        p.*,
        sum(p.share) OVER (
            PARTITION BY p.person_key, p.insu_year, p.month_no, p.uscc
            ORDER BY (p.share < 0)::INTEGER, p.paid_date, p.share DESC, p.pay_id, p.row_no
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS balance
    FROM left_over AS p
    INNER JOIN refunded AS r
        ON
            p.person_key = r.person_key
            AND p.insu_year = r.insu_year
            AND p.month_no IS NOT DISTINCT FROM r.month_no
            AND p.uscc IS NOT DISTINCT FROM r.uscc
),

lowest AS (
    SELECT
        *,
        min(balance) OVER (
            PARTITION BY person_key, insu_year, month_no, uscc
            ORDER BY (share < 0)::INTEGER, paid_date, share DESC, pay_id, row_no
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS lowest_after
    FROM running
),

taken_back AS (
    -- a few fen that shares were rounded by are nothing left
    SELECT row_no, insu_year, month_no FROM lowest WHERE share > 0 AND lowest_after - (balance - share) < 0.05
),

effective AS (
    SELECT person_key, row_no, insu_year, month_no, uscc, amount, paid_date, pay_id, insutype
    FROM marked
    WHERE NOT has_refund AND amount > 0
    UNION ALL
    SELECT p.person_key, p.row_no, p.insu_year, p.month_no, p.uscc, p.amount, p.paid_date, p.pay_id, p.insutype
    FROM left_over AS p
    LEFT JOIN taken_back AS b
        ON p.row_no = b.row_no AND p.insu_year = b.insu_year AND p.month_no IS NOT DISTINCT FROM b.month_no
    WHERE p.share > 0 AND b.row_no IS NULL
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
