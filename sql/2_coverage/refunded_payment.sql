-- title: 有退费的居民缴费 / resident payments of years for which something was given back
-- grain: one row per payment and such year of its relation
-- rules: PER-8, DUP-5
-- parts: computed
-- columns:
--   rel_no: its relation; null where it has none
--   first_bit, last_bit: its months of the year, 0 is January
--   stands: whether something of it is left: a refund takes back the latest payment before it of its amount and
--     months, where there is none what was paid last, one after the other
WITH
refund AS (
    SELECT person_key, rel_no, unnest(range(begn_no // 12, end_no // 12 + 1))::INTEGER AS year
    FROM payment
    WHERE NOT is_staff AND amount < 0
),

refunded AS (
    -- of whatever type: payments without a relation make one year of a person, also those of two types
    SELECT DISTINCT person_key, rel_no, year FROM refund
),

yearly AS (
    SELECT *, unnest(range(begn_no // 12, end_no // 12 + 1))::INTEGER AS year
    FROM payment
    WHERE NOT is_staff AND person_key IN (SELECT person_key FROM refunded)
),

shared AS (
    SELECT
        y.person_key,
        y.rel_no,
        y.insutype_no,
        y.year,
        y.row_no,
        greatest(y.begn_no, y.year * 12) % 12 AS first_bit,
        least(y.end_no, y.year * 12 + 11) % 12 AS last_bit,
        year_share(y.amount, y.begn_no, y.end_no, y.year) AS amount,
        y.paid_date,
        y.tier
    FROM yearly AS y
    INNER JOIN refunded AS r
        ON
            y.person_key = r.person_key
            AND y.rel_no IS NOT DISTINCT FROM r.rel_no
            AND y.year = r.year
),

-- of each amount and span of months by itself: payments pile up, and a refund takes the topmost, never one that came after it
piled AS (
    SELECT
        *,
        sum(CASE WHEN amount > 0 THEN 1 ELSE -1 END) OVER (
            PARTITION BY person_key, rel_no, insutype_no, year, first_bit, last_bit, abs(amount)
            ORDER BY paid_date, amount DESC, row_no
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS height
    FROM shared
    WHERE amount <> 0
),

bounded AS (
    SELECT
        *,
        min(height) OVER (
            PARTITION BY person_key, rel_no, insutype_no, year, first_bit, last_bit, abs(amount)
            ORDER BY paid_date, amount DESC, row_no
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS low_after,
        min(height) OVER (
            PARTITION BY person_key, rel_no, insutype_no, year, first_bit, last_bit, abs(amount)
            ORDER BY paid_date, amount DESC, row_no
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS low_before
    FROM piled
),

matched AS (
    SELECT
        *,
        CASE WHEN amount > 0 THEN low_after < height ELSE height >= least(0, coalesce(low_before, 0)) END AS is_matched
    FROM bounded
),

running AS (
    SELECT
        *,
        sum(amount) OVER (
            PARTITION BY person_key, rel_no, insutype_no, year, is_matched
            ORDER BY paid_date, amount DESC, row_no
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS balance
    FROM matched
),

lowest AS (
    SELECT
        *,
        min(balance) OVER (
            PARTITION BY person_key, rel_no, insutype_no, year, is_matched
            ORDER BY paid_date, amount DESC, row_no
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS lowest_after
    FROM running
)

SELECT
    person_key,
    rel_no,
    insutype_no,
    year,
    row_no,
    first_bit,
    last_bit,
    paid_date,
    tier,
    -- a payment stands as long as the balance stays above what it was before it
    amount > 0 AND NOT is_matched AND lowest_after > balance - amount AS stands
FROM lowest
