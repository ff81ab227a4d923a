-- title: 本年度居民关系 / the resident relation of the insured year that speaks for a person
-- grain: one row per person with a resident relation of this city in the insured year
-- rules: PER-1, PER-3, PER-4, PER-5, PER-6
-- joins: as written
-- parts: computed
-- columns:
--   paid_date: the person's first effective payment for the year, for whichever relation or for none (contract 3.5)
--   tier: of the relation and what is paid for it; where nothing is, of what else is paid
--   aid_type: the aid that leaves no personal share, where it counts as the payment
WITH
candidate AS (
    SELECT r.row_no, r.person_key, r.psn_insu_rlts_id, r.insu_admdvs, r.tier, r.is_stopped
    FROM relation AS r
    WHERE r.system = 'resident' AND NOT r.is_elsewhere AND r.of_year AND r.psn_insu_stas IN ('1', '2', '4')
),

paid AS (
    SELECT y.person_key, y.rel_no, y.paid_date, y.tier, y.amount, y.by_aid, a.aid_type
    FROM resident_year AS y
    CROSS JOIN run
    LEFT JOIN full_aid_year AS a ON CASE WHEN y.by_aid THEN y.rel_no END = a.rel_no AND y.year = a.year
    WHERE y.year = run.insured_year
),

repeated AS (
    SELECT person_key
    FROM candidate
    GROUP BY person_key
    HAVING count(*) > 1
),

several AS (
    SELECT row_no, person_key, psn_insu_rlts_id, is_stopped
    FROM candidate
    WHERE person_key IN (SELECT person_key FROM repeated)
),

several_paid AS (
    SELECT * FROM paid WHERE rel_no IN (SELECT row_no FROM several)
),

-- of several the one paid for and not stopped, paid first, speaks
silent AS (
    SELECT s.row_no
    FROM several AS s
    LEFT JOIN several_paid AS y ON s.row_no = y.rel_no
    QUALIFY row_number() OVER (
        PARTITION BY s.person_key
        ORDER BY s.is_stopped, (y.paid_date IS NULL), y.paid_date, s.psn_insu_rlts_id
    ) > 1
),

unspoken AS (
    SELECT row_no FROM silent
    UNION ALL
    SELECT r.row_no
    FROM relation AS r
    WHERE
        r.system = 'resident' AND NOT r.is_elsewhere AND r.covers_year
        AND coalesce(r.psn_insu_stas NOT IN ('1', '2', '4'), true)
),

-- few: what is paid without a relation, or for one that does not speak
paid_besides AS (
    SELECT person_key, paid_date, tier, amount, by_aid, aid_type
    FROM paid
    WHERE rel_no IS NULL OR rel_no IN (SELECT row_no FROM unspoken)
    QUALIFY row_number() OVER (PARTITION BY person_key ORDER BY paid_date, rel_no) = 1
)

SELECT
    c.person_key,
    c.psn_insu_rlts_id,
    c.insu_admdvs,
    CASE
        WHEN y.rel_no IS NOT NULL THEN paid_tier(y.tier, c.tier, y.amount, t.tier2_amt)
        WHEN b.person_key IS NOT NULL THEN paid_tier(b.tier, c.tier, b.amount, t.tier2_amt)
        ELSE c.tier
    END AS tier,
    least(y.paid_date, b.paid_date) AS paid_date,
    CASE WHEN y.rel_no IS NULL OR b.paid_date < y.paid_date THEN b.by_aid ELSE y.by_aid END AS by_aid,
    CASE WHEN y.rel_no IS NULL OR b.paid_date < y.paid_date THEN b.aid_type ELSE y.aid_type END AS aid_type,
    f.brdy
FROM candidate AS c
CROSS JOIN run
INNER JOIN person_fact AS f ON c.person_key = f.person_key
LEFT JOIN paid AS y ON c.row_no = y.rel_no
LEFT JOIN paid_besides AS b ON c.person_key = b.person_key
LEFT JOIN year_param AS t ON run.insured_year = t.insu_year
WHERE c.row_no NOT IN (SELECT row_no FROM silent)
