-- title: 居民缴费年度 / resident payments of one relation for one year
-- grain: one row per person, relation (null: payments without one) and year with a net positive payment or full aid
-- rules: PER-3, PER-4, PER-5, PER-6, REF-1
-- parts: computed
-- columns:
--   paid_date: first payment that was not taken back (contract 3.5);
--     with full aid the later of 31 December before the year and begn_date, of the relation and of the aid: the earlier of
--     the two where somebody paid all the same, unless for the tier that aid leaves a share of
--   by_aid: aid counts as the payment
WITH
payment_of_year AS (
    SELECT p.person_key, p.rel_no, p.begn_no // 12 AS year, p.row_no, p.amount, p.paid_date, p.tier
    FROM payment AS p
    CROSS JOIN run
    WHERE NOT p.is_staff AND p.begn_no // 12 = p.end_no // 12 AND p.begn_no // 12 >= run.insured_year - 1
    UNION ALL
    -- of a payment over several years its share of each
    SELECT
        p.person_key, p.rel_no, p.year, p.row_no,
        year_share(p.amount, p.begn_no, p.end_no, p.year), p.paid_date, p.tier
    FROM (
        SELECT *, unnest(range(begn_no // 12, end_no // 12 + 1))::INTEGER AS year
        FROM payment
        WHERE NOT is_staff AND begn_no // 12 <> end_no // 12
    ) AS p
    CROSS JOIN run
    WHERE p.year >= run.insured_year - 1
),

summed AS (
    SELECT
        any_value(person_key) AS person_key,
        rel_no,
        year,
        min(CASE WHEN amount > 0 THEN paid_date END) AS paid_date,
        sum(amount) AS amount,
        max(tier) AS tier
    FROM payment_of_year
    GROUP BY rel_no, year, CASE WHEN rel_no IS NULL THEN person_key END
    HAVING sum(amount) > 0
),

first_effective AS (
    SELECT person_key, rel_no, year, min(paid_date) AS paid_date, max(tier) AS tier
    FROM refunded_payment
    WHERE stands
    GROUP BY person_key, rel_no, year
),

aided AS (
    SELECT
        f.person_key, f.rel_no, f.year, r.tier,
        greatest(make_date(f.year - 1, 12, 31), f.begn_date, f.aided_from) AS aid_date
    FROM full_aid_year AS f
    CROSS JOIN run
    INNER JOIN relation_row AS r ON f.rel_no = r.row_no
    WHERE f.year >= run.insured_year - 1
),

paid AS (
    SELECT
        s.person_key,
        s.rel_no,
        s.year,
        coalesce(e.paid_date, s.paid_date) AS paid_date,
        s.amount,
        CASE WHEN e.paid_date IS NULL THEN s.tier ELSE e.tier END AS tier
    FROM summed AS s
    LEFT JOIN first_effective AS e
        ON s.person_key = e.person_key AND s.rel_no IS NOT DISTINCT FROM e.rel_no AND s.year = e.year
),

weighed AS (
    -- the tier is no part of the join, which would be one of everybody with everybody
    SELECT
        p.*,
        CASE WHEN p.tier = '2' AND coalesce(a.tier <> '2', true) THEN NULL ELSE a.aid_date END AS aid_date
    FROM paid AS p
    LEFT JOIN aided AS a ON p.rel_no = a.rel_no AND p.year = a.year
)

SELECT
    p.person_key,
    p.rel_no,
    p.year,
    least(p.paid_date, p.aid_date) AS paid_date,
    p.amount,
    p.tier,
    coalesce(p.aid_date < p.paid_date, false) AS by_aid
FROM weighed AS p
UNION ALL
SELECT
    c.person_key,
    c.rel_no,
    c.year,
    a.aid_date,
    0,
    a.tier,
    true
FROM covered_year AS c
INNER JOIN aided AS a ON c.rel_no = a.rel_no AND c.year = a.year
WHERE c.by_aid
