-- title: 新生儿和免等待期人员 / newborns and who does not wait
-- grain: one row per person with a resident payment of the insured year who is a newborn or has a ground for exemption
-- rules: WAIT-1, NB-1, NB-6, TRN-1, TRN-2
-- parts: computed
-- columns:
--   is_newborn: paid for within the days after birth (NB-1): begins as a newborn does, exempt from waiting or not
--   exempt_reason: newborn, aid, veteran, transition: the first that applies and that waiting.exempt names, or none
WITH
paid AS (
    SELECT person_key, paid_date, brdy
    FROM entitled_relation
    WHERE paid_date IS NOT NULL
),

switching AS (
    -- whoever had staff insurance in the insured year or the two before it: few
    SELECT p.person_key, date_month_no(p.paid_date) - (run.insured_year - 4) * 12 AS paid_bit
    FROM paid AS p
    CROSS JOIN run
    WHERE
        year(p.paid_date) BETWEEN run.insured_year - 1 AND run.insured_year
        AND p.person_key IN (
            SELECT c.person_key
            FROM covered_year AS c
            CROSS JOIN run
            WHERE c.system = 'staff' AND c.year >= run.insured_year - 2
            UNION ALL
            SELECT i.person_key FROM interval_cover AS i WHERE i.system = 'staff' AND i.paid
        )
),

month_seen AS (
    -- months of the five years up to the insured one, bit 0 = January of the first; without the resident months of the
    -- insured year, which are what somebody switches to
    SELECT
        c.person_key,
        c.month_bits::BIGINT << (c.year - run.insured_year + 4) * 12 AS month_bits,
        true AS is_dated,
        c.system = 'staff' AND c.rel_no IS NOT NULL AS has_employer,
        c.rel_no
    FROM covered_year AS c
    CROSS JOIN run
    INNER JOIN switching AS s ON c.person_key = s.person_key
    WHERE
        c.year BETWEEN run.insured_year - 4 AND run.insured_year
        AND (c.system = 'staff' OR c.year < run.insured_year)
    UNION ALL
    SELECT
        i.person_key,
        (1::BIGINT << least(59, i.end_no - (run.insured_year - 4) * 12) + 1)
        - (1::BIGINT << greatest(0, i.begn_no - (run.insured_year - 4) * 12)),
        true,
        i.system = 'staff',
        i.rel_no
    FROM interval_cover AS i
    CROSS JOIN run
    INNER JOIN switching AS s ON i.person_key = s.person_key
    WHERE i.paid AND i.end_no >= (run.insured_year - 4) * 12 AND i.begn_no < (run.insured_year + 1) * 12
    UNION ALL
    SELECT h.person_key, h.month_bits, false, false, NULL
    FROM history_person AS h
    INNER JOIN switching AS s ON h.person_key = s.person_key
),

month_covered AS (
    SELECT
        m.person_key,
        s.paid_bit,
        bit_or(m.month_bits) & ((1::BIGINT << s.paid_bit + 1) - 1) AS told_months,
        bit_or(CASE WHEN m.is_dated THEN m.month_bits ELSE 0 END) & ((1::BIGINT << s.paid_bit + 1) - 1) AS dated_months,
        bit_or(CASE WHEN m.has_employer AND NOT coalesce(r.is_flexible, true) THEN m.month_bits ELSE 0 END)
            AS employed_months
    FROM month_seen AS m
    INNER JOIN switching AS s ON m.person_key = s.person_key
    LEFT JOIN relation_row AS r ON m.rel_no = r.row_no
    GROUP BY m.person_key, s.paid_bit
),

bounded AS (
    -- which months of a year the history means is not said: to the year of the last month on record it adds none
    -- after that month
    SELECT
        * EXCLUDE (told_months, dated_months),
        CASE
            WHEN dated_months = 0 THEN told_months
            ELSE
                told_months
                & ~(
                    (1::BIGINT << (length(bin(dated_months)) - 1) // 12 * 12 + 12)
                    - (1::BIGINT << length(bin(dated_months)))
                )
        END AS any_months
    FROM month_covered
),

last_month AS (
    SELECT *, length(bin(any_months)) - 1 AS last_bit -- log2 rounds long runs up
    FROM bounded
    WHERE any_months > 0
),

ground AS (
    SELECT p.person_key, 1 AS rank_no, 'newborn' AS exempt_reason
    FROM paid AS p
    CROSS JOIN run
    WHERE date_diff('day', p.brdy, p.paid_date) BETWEEN 0 AND run.newborn_days
    UNION ALL
    SELECT p.person_key, 2, 'aid'
    FROM paid AS p
    INNER JOIN aid AS a
        ON
            p.person_key = a.person_key
            AND a.begn_date <= p.paid_date
            AND (a.end_date IS NULL OR a.end_date >= p.paid_date)
    UNION ALL
    SELECT p.person_key, 3, 'veteran'
    FROM paid AS p
    CROSS JOIN run
    INNER JOIN other_row AS o ON p.person_key = o.person_key AND o.source = 'veteran'
    INNER JOIN src_veteran AS v ON o.row_no = v.row_no
    WHERE
        p.paid_date >= v.discharge_date
        AND p.paid_date <= v.discharge_date + to_months(run.veteran_months)
    UNION ALL
    -- the last covered month is with an employer, and so many years up to it are covered without a break
    SELECT m.person_key, 4, 'transition'
    FROM last_month AS m
    CROSS JOIN run
    WHERE
        (m.employed_months >> m.last_bit) & 1 = 1
        AND m.paid_bit - m.last_bit - 1 <= run.transition_gap_months
        AND m.last_bit + 1 >= run.transition_min_years * 12
        AND bit_count(m.any_months >> greatest(0, m.last_bit + 1 - run.transition_min_years * 12))
        = run.transition_min_years * 12
)

SELECT
    g.person_key,
    bool_or(g.exempt_reason = 'newborn') AS is_newborn,
    min_by(g.exempt_reason, g.rank_no) FILTER (
        WHERE list_contains(string_split(run.waiting_exempt, '|'), g.exempt_reason)
    ) AS exempt_reason
FROM ground AS g
CROSS JOIN run
GROUP BY g.person_key
