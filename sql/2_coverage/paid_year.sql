-- title: 各年已缴费月份 / months paid for, by relation and year
-- grain: one row per person, relation (null: payments without one), insurance type and year with a net positive payment
-- rules: DUP-5
-- joins: as written
-- parts: computed
-- columns:
--   month_bits: bit 0 is January, bit 11 December
--   amount: net amount paid for the year
WITH
grouped AS (
    SELECT
        person_key,
        rel_no,
        insutype_no,
        any_value(is_staff) AS is_staff,
        year,
        sum(amount)::DECIMAL(18, 2) AS amount,
        min(amount) < 0 AS has_refund,
        bit_or(CASE WHEN amount > 0 THEN (1 << (last_bit + 1)) - (1 << first_bit) ELSE 0 END)::INTEGER AS month_bits
    FROM (
        SELECT
            person_key, rel_no, insutype_no, is_staff, begn_no // 12 AS year, amount,
            begn_no % 12 AS first_bit, end_no % 12 AS last_bit
        FROM payment
        WHERE begn_no // 12 = end_no // 12
        UNION ALL
        -- a payment over several years counts in each of them with its share, so that one year can be given back alone
        SELECT
            person_key, rel_no, insutype_no, is_staff, year,
            year_share(amount, begn_no, end_no, year),
            greatest(begn_no, year * 12) - year * 12,
            least(end_no, year * 12 + 11) - year * 12
        FROM (
            SELECT *, unnest(range(begn_no // 12, end_no // 12 + 1))::INTEGER AS year
            FROM payment
            WHERE begn_no // 12 <> end_no // 12
        ) AS long
    ) AS spread
    GROUP BY person_key, rel_no, insutype_no, year
),

refunded_month AS (
    -- staff premiums are monthly: where something was refunded, each month must stay positive by itself
    SELECT
        m.person_key,
        m.rel_no,
        m.insutype_no,
        m.no // 12 AS year,
        m.no % 12 AS bit,
        -- shares of a month have no end: what is paid and given back must come to nothing in whatever order it is added
        round(sum(m.amount / m.months), 4) AS amount
    FROM (
        SELECT
            p.person_key, p.rel_no, p.insutype_no, p.amount, p.end_no - p.begn_no + 1 AS months,
            unnest(range(p.begn_no, p.end_no + 1))::INTEGER AS no
        FROM payment AS p
        WHERE p.is_staff AND p.person_key IN (SELECT person_key FROM grouped WHERE has_refund AND is_staff)
    ) AS m
    GROUP BY m.person_key, m.rel_no, m.insutype_no, m.no // 12, m.no % 12
),

left_paid AS (
    SELECT
        person_key,
        rel_no,
        insutype_no,
        year,
        bit_or(CASE WHEN amount > 0 THEN 1 << bit ELSE 0 END)::INTEGER AS month_bits
    FROM refunded_month
    GROUP BY person_key, rel_no, insutype_no, year
    UNION ALL
    -- of a resident's payments only those that stand cover their months
    SELECT
        person_key,
        rel_no,
        insutype_no,
        year,
        bit_or((1 << (last_bit + 1)) - (1 << first_bit))::INTEGER AS month_bits
    FROM refunded_payment
    WHERE stands
    GROUP BY person_key, rel_no, insutype_no, year
),

netted AS (
    SELECT person_key, rel_no, insutype_no, is_staff, year, amount, month_bits
    FROM grouped
    WHERE NOT has_refund AND (is_staff OR amount > 0)
    UNION ALL
    SELECT g.person_key, g.rel_no, g.insutype_no, g.is_staff, g.year, g.amount, l.month_bits
    FROM grouped AS g
    INNER JOIN left_paid AS l
        ON
            g.person_key = l.person_key
            AND g.rel_no IS NOT DISTINCT FROM l.rel_no
            AND g.insutype_no = l.insutype_no
            AND g.year = l.year
    WHERE g.has_refund AND (g.is_staff OR g.amount > 0)
)

SELECT person_key, rel_no, insutype_no, is_staff, year, amount, month_bits
FROM netted
WHERE month_bits <> 0
