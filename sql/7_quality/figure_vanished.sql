-- title: 上次有、本次无的人员 / people whom no source knows any more
-- grain: one row per measure and division: a district, or '' for the city
-- columns:
--   numerator: people of the previous publication who are in no source tonight
--   denominator: people of the previous publication
--   value: numerator over denominator; null where there is no previous publication of the insured year
--   enough: whether there is enough to judge by
WITH
counted AS (
    SELECT coalesce(left(household_district, 12), '') AS district, count(*) AS persons
    FROM previous_person
    GROUP BY ALL
),

gone AS (
    SELECT coalesce(left(household_was, 12), '') AS district, count(*) AS persons
    FROM change
    WHERE detail = 'vanished'
    GROUP BY ALL
),

compared AS (
    SELECT c.district, coalesce(g.persons, 0) AS gone, c.persons
    FROM counted AS c
    CROSS JOIN previous_run
    LEFT JOIN gone AS g ON c.district = g.district
),

placed AS (
    SELECT district, gone::BIGINT AS numerator, persons::BIGINT AS denominator
    FROM compared
    UNION ALL
    SELECT NULL, coalesce(sum(gone), 0)::BIGINT, sum(persons)::BIGINT
    FROM compared
)

SELECT
    d.measure_id,
    coalesce(p.district, '') AS division_code,
    p.numerator,
    p.denominator,
    p.numerator::DOUBLE / nullif(p.denominator, 0) AS value,
    coalesce(p.numerator >= d.least, false) AS enough
FROM measure_def AS d
LEFT JOIN placed AS p ON p.district IS NULL OR p.district IN (SELECT n.division_code FROM division_now AS n WHERE n.level = 2)
WHERE d.figure = 'figure_vanished'
