-- title: 免等待期人员 / who does not wait
-- grain: one row per person with a resident payment of the insured year and a ground for exemption
-- rules: WAIT-1, NB-1, NB-6, TRN-1, TRN-2
-- columns:
--   exempt_reason: newborn, aid, veteran, transition: the first that applies and that waiting.exempt names
WITH
paid AS (
    SELECT e.person_key, e.rel_no, e.paid_date, f.brdy
    FROM entitled_relation AS e
    INNER JOIN person_fact AS f ON e.person_key = f.person_key
    WHERE e.paid_date IS NOT NULL
),

staff_end AS (
    -- the last month of employer-based staff insurance before the payment
    SELECT p.person_key, max(m.no) AS last_no
    FROM paid AS p
    INNER JOIN (
        SELECT c.person_key, c.year * 12 + b.bit AS no
        FROM covered_year AS c
        INNER JOIN entitled_relation AS e ON c.person_key = e.person_key
        INNER JOIN relation_row AS r ON c.rel_no = r.row_no AND NOT r.is_flexible
        INNER JOIN (SELECT unnest(range(0, 12))::INTEGER AS bit) AS b ON (c.month_bits >> b.bit) & 1 = 1
        WHERE c.system = 'staff'
        UNION ALL
        SELECT i.person_key, i.end_no
        FROM interval_cover AS i
        INNER JOIN relation_row AS r ON i.rel_no = r.row_no AND NOT r.is_flexible
        WHERE i.system = 'staff' AND i.paid
    ) AS m ON p.person_key = m.person_key AND m.no <= date_month_no(p.paid_date)
    GROUP BY p.person_key
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
    SELECT s.person_key, 4, 'transition'
    FROM staff_end AS s
    CROSS JOIN run
    INNER JOIN paid AS p ON s.person_key = p.person_key
    INNER JOIN person_cover AS c ON s.person_key = c.person_key
    WHERE
        date_month_no(p.paid_date) - s.last_no - 1 <= run.transition_gap_months
        AND s.last_no // 12 - run.transition_min_years + 1 >= 1990
        -- the years up to the last covered month without a break
        AND bit_count(
            c.any_bits
            & (((1::BIGINT << run.transition_min_years) - 1) << (s.last_no // 12 - run.transition_min_years + 1 - 1990))
        ) = run.transition_min_years
)

SELECT g.person_key, g.exempt_reason
FROM ground AS g
CROSS JOIN run
WHERE list_contains(string_split(run.waiting_exempt, '|'), g.exempt_reason)
QUALIFY row_number() OVER (PARTITION BY g.person_key ORDER BY g.rank_no) = 1
