-- title: 综合评价指标 / quality indicators of a district
-- grain: one row per district (and the city) and measure
-- rules: EVA-1, TGT-1, TGT-2
-- publish: division_code, measure
-- columns:
--   insu_year: insured year
--   division_code: district or city, 12 digits
--   measure: coverage_household, coverage_residence, plan_completion, against_last_year, duplicate_rate, aid_coverage, newborn_coverage, student_coverage, verification_rate, bad_number_rate, dead_but_normal, normal_unpaid, targets_above_parent
--   numerator: count
--   denominator: count; 0 where nothing is asked for
--   value: numerator over denominator; null where the denominator is 0
WITH
wide AS (
    SELECT
        division_code,
        level,
        sum(value) FILTER (basis = 'household' AND measure = 'insured') AS insured,
        sum(value) FILTER (basis = 'household' AND measure = 'should_be_insured') AS should_be_insured,
        sum(value) FILTER (basis = 'residence' AND measure = 'insured') AS insured_living,
        sum(value) FILTER (basis = 'residence' AND measure = 'should_be_insured') AS should_living,
        sum(value) FILTER (basis = 'household' AND measure = 'target_persons') AS target_persons,
        sum(value) FILTER (basis = 'household' AND measure = 'insured_last_year') AS insured_last_year,
        sum(value) FILTER (basis = 'household' AND measure = 'duplicate_persons') AS duplicate_persons,
        sum(value) FILTER (basis = 'household' AND measure = 'aid_insured') AS aid_insured,
        sum(value) FILTER (basis = 'household' AND measure = 'aid_should') AS aid_should,
        sum(value) FILTER (basis = 'household' AND measure = 'newborn_insured') AS newborn_insured,
        sum(value) FILTER (basis = 'household' AND measure = 'newborn_should') AS newborn_should,
        sum(value) FILTER (basis = 'household' AND measure = 'student_insured') AS student_insured,
        sum(value) FILTER (basis = 'household' AND measure = 'student_should') AS student_should,
        sum(value) FILTER (basis = 'household' AND measure = 'dispatched_answered') AS dispatched_answered,
        sum(value) FILTER (basis = 'household' AND measure = 'dispatched') AS dispatched
    FROM ledger
    WHERE level <= 2 AND NOT contains(division_code, '-')
    GROUP BY division_code, level
),

-- quality counts of people by their registered district, and of the whole city
counted AS (
    SELECT
        coalesce(d.l2, '') AS l2,
        count(*) AS persons,
        count(*) FILTER (i.person_key IS NOT NULL) AS bad_numbers,
        count(*) FILTER (q.person_key IS NOT NULL) AS dead_but_normal,
        count(*) FILTER (s.is_unpaid) AS normal_unpaid,
        count(*) FILTER (k.person_key IS NULL) AS enrolled
    FROM person_status AS s
    INNER JOIN division_place AS d ON s.resd_code = d.code AND d.in_city
    -- few have a bad number, and most are enrolled: who is not is looked up
    LEFT JOIN (
        SELECT person_key FROM person_identity WHERE cert_check IN ('bad_check', 'bad_format')
    ) AS i ON s.person_key = i.person_key
    LEFT JOIN (SELECT person_key FROM person_key WHERE source_bits & 16 = 0) AS k ON s.person_key = k.person_key
    LEFT JOIN (
        SELECT DISTINCT x.person_key
        FROM anomaly AS a
        INNER JOIN person_identity AS x ON a.person_id = x.person_id
        WHERE a.kind = 'dead_but_normal'
    ) AS q ON s.person_key = q.person_key
    GROUP BY coalesce(d.l2, '')
),

quality AS (
    SELECT l2 AS division_code, persons, bad_numbers, dead_but_normal, normal_unpaid, enrolled FROM counted
    UNION ALL
    SELECT city.city_code, sum(persons), sum(bad_numbers), sum(dead_but_normal), sum(normal_unpaid), sum(enrolled)
    FROM counted
    CROSS JOIN city
    GROUP BY city.city_code
),

-- TGT-2: what a division sets for its children against what it was given itself
target_sum AS (
    SELECT
        CASE c.level WHEN 2 THEN n.l1 ELSE n.l2 END AS division_code,
        sum(c.value) AS children
    FROM ledger AS c
    INNER JOIN division_now AS n ON c.division_code = n.division_code
    WHERE c.basis = 'household' AND c.measure = 'target_persons' AND c.level IN (2, 3)
    GROUP BY CASE c.level WHEN 2 THEN n.l1 ELSE n.l2 END
),

measured AS (
    SELECT division_code, 'coverage_household' AS measure, insured AS numerator, should_be_insured AS denominator FROM wide
    UNION ALL
    SELECT division_code, 'coverage_residence', insured_living, should_living FROM wide
    UNION ALL
    SELECT division_code, 'plan_completion', insured, target_persons FROM wide
    UNION ALL
    SELECT division_code, 'against_last_year', insured, insured_last_year FROM wide
    UNION ALL
    SELECT division_code, 'duplicate_rate', duplicate_persons, insured FROM wide
    UNION ALL
    SELECT division_code, 'aid_coverage', aid_insured, aid_should FROM wide
    UNION ALL
    SELECT division_code, 'newborn_coverage', newborn_insured, newborn_should FROM wide
    UNION ALL
    SELECT division_code, 'student_coverage', student_insured, student_should FROM wide
    UNION ALL
    SELECT division_code, 'verification_rate', dispatched_answered, dispatched FROM wide
    UNION ALL
    SELECT w.division_code, 'bad_number_rate', coalesce(q.bad_numbers, 0), coalesce(q.persons, 0)
    FROM wide AS w
    LEFT JOIN quality AS q ON w.division_code = q.division_code
    UNION ALL
    SELECT w.division_code, 'dead_but_normal', coalesce(q.dead_but_normal, 0), coalesce(q.enrolled, 0)
    FROM wide AS w
    LEFT JOIN quality AS q ON w.division_code = q.division_code
    UNION ALL
    SELECT w.division_code, 'normal_unpaid', coalesce(q.normal_unpaid, 0), coalesce(q.enrolled, 0)
    FROM wide AS w
    LEFT JOIN quality AS q ON w.division_code = q.division_code
    UNION ALL
    SELECT w.division_code, 'targets_above_parent', coalesce(t.children, 0), w.target_persons
    FROM wide AS w
    LEFT JOIN target_sum AS t ON w.division_code = t.division_code
)

SELECT
    run.insured_year AS insu_year,
    m.division_code,
    m.measure,
    m.numerator::BIGINT AS numerator,
    m.denominator::BIGINT AS denominator,
    CASE WHEN m.denominator > 0 THEN round(m.numerator / m.denominator, 6)::DECIMAL(12, 6) END AS value
FROM measured AS m
CROSS JOIN run
