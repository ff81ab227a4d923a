-- title: 各年已缴费月份 / months paid for, by relation and year
-- grain: one row per person, relation (null: payments without one), insurance type and year with a net positive payment
-- rules: DUP-5
-- columns:
--   month_bits: bit 0 is January, bit 11 December
--   amount: net amount paid for the year
WITH
spread AS (
    -- a payment over several years counts in each of them
    SELECT p.*, p.begn_no // 12 AS year
    FROM payment AS p
    WHERE p.begn_no // 12 = p.end_no // 12
    UNION ALL
    SELECT p.*, unnest(range(p.begn_no // 12, p.end_no // 12 + 1))::INTEGER AS year
    FROM payment AS p
    WHERE p.begn_no // 12 <> p.end_no // 12
),

bits AS (
    SELECT
        person_key,
        rel_no,
        system,
        insutype,
        year,
        amount,
        end_no - begn_no + 1 AS months,
        greatest(begn_no, year * 12) - year * 12 AS first_bit,
        least(end_no, year * 12 + 11) - year * 12 AS last_bit
    FROM spread
),

grouped AS (
    SELECT
        person_key,
        rel_no,
        system,
        insutype,
        year,
        sum(amount) AS amount,
        bool_or(amount < 0) AS has_refund,
        bit_or(CASE WHEN amount > 0 THEN (1 << (last_bit + 1)) - (1 << first_bit) ELSE 0 END)::INTEGER AS month_bits
    FROM bits
    GROUP BY person_key, rel_no, system, insutype, year
),

refunded_month AS (
    -- staff premiums are monthly: where something was refunded, each month must stay positive by itself
    SELECT
        b.person_key,
        b.rel_no,
        b.insutype,
        b.year,
        m.bit,
        sum(b.amount / b.months) AS amount
    FROM bits AS b
    INNER JOIN grouped AS g
        ON
            b.person_key = g.person_key
            AND b.rel_no IS NOT DISTINCT FROM g.rel_no
            AND b.insutype = g.insutype
            AND b.year = g.year
            AND g.has_refund
            AND g.system = 'staff'
    INNER JOIN (SELECT unnest(range(0, 12))::INTEGER AS bit) AS m ON m.bit BETWEEN b.first_bit AND b.last_bit
    GROUP BY b.person_key, b.rel_no, b.insutype, b.year, m.bit
),

refunded AS (
    SELECT person_key, rel_no, insutype, year, bit_or(CASE WHEN amount > 0 THEN 1 << bit ELSE 0 END)::INTEGER AS month_bits
    FROM refunded_month
    GROUP BY person_key, rel_no, insutype, year
)

SELECT
    g.person_key,
    g.rel_no,
    g.system,
    g.insutype,
    g.year,
    g.amount,
    coalesce(r.month_bits, g.month_bits) AS month_bits
FROM grouped AS g
LEFT JOIN refunded AS r
    ON
        g.person_key = r.person_key
        AND g.rel_no IS NOT DISTINCT FROM r.rel_no
        AND g.insutype = r.insutype
        AND g.year = r.year
WHERE
    CASE WHEN g.system = 'resident' THEN g.amount > 0 ELSE coalesce(r.month_bits, g.month_bits) <> 0 END
