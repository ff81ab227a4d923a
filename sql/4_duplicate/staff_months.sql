-- title: 连续职工缴费月数 / unbroken paid staff months that end now
-- grain: one row per person with a duplicate that concerns a staff relation
-- rules: RET-4
-- parts: computed
-- columns:
--   staff_months: all employers and places together, ending in the as-of month or the one before it;
--     projected months do not count (contract 3.4)
WITH
asked AS (
    SELECT DISTINCT person_key FROM duplicate_pair WHERE kind <> 'resident_resident'
),

staff_month AS (
    SELECT c.person_key, c.year * 12 + m.bit AS no
    FROM covered_year AS c
    INNER JOIN asked AS a ON c.person_key = a.person_key
    INNER JOIN (SELECT unnest(range(0, 12))::INTEGER AS bit) AS m ON (c.month_bits >> m.bit) & 1 = 1
    WHERE c.system = 'staff'
    UNION
    SELECT i.person_key, unnest(range(i.begn_no, i.end_no + 1))::INTEGER AS no
    FROM interval_cover AS i
    INNER JOIN asked AS a ON i.person_key = a.person_key
    WHERE i.system = 'staff' AND i.paid
),

island AS (
    SELECT
        s.person_key,
        s.no,
        s.no - row_number() OVER (PARTITION BY s.person_key ORDER BY s.no) AS island
    FROM staff_month AS s
    CROSS JOIN run
    WHERE s.no <= run.as_of_month
),

runs AS (
    SELECT person_key, count(*) AS months, max(no) AS last_no
    FROM island
    GROUP BY person_key, island
)

SELECT a.person_key, coalesce(max(r.months), 0)::INTEGER AS staff_months
FROM asked AS a
CROSS JOIN run
LEFT JOIN runs AS r ON a.person_key = r.person_key AND r.last_no >= run.as_of_month - 1
GROUP BY a.person_key
