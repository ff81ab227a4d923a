-- title: 变动桥 / from the previous publication's figures to tonight's, by cause
-- grain: one row per basis, district (the city, its 未落地 row and districts that are no more, too), measure and cause; none where there is no previous publication of the same insured year
-- rules: LED-1, LED-2
-- publish: basis, division_code, measure, cause
-- columns:
--   basis: household or residence
--   division_code: the city, a district in use tonight or in the previous publication, or the city's code followed by -
--   division_name: its name
--   level: 1 city, 2 district
--   measure: should_be_insured, insured, uninsured
--   cause: see change; every cause has a row, also where delta is 0
--   previous: the previous publication's ledger cell, 0 where it had none; the same in all rows of a cell
--   added: people who came into the cell for this cause
--   removed: people who left it for this cause
--   delta: added less removed; previous + the sum of delta over the causes = value
--   value: tonight's ledger cell, 0 where the district is no more; the same in all rows of a cell
WITH
cell AS (
    SELECT
        coalesce(t.basis, e.basis) AS basis,
        coalesce(t.division_code, e.division_code) AS division_code,
        coalesce(t.division_name, e.division_name) AS division_name,
        coalesce(t.level, e.level) AS level,
        coalesce(t.measure, e.measure) AS measure,
        coalesce(e.value, 0) AS previous,
        coalesce(t.value, 0) AS value
    FROM (SELECT * FROM ledger WHERE level <= 2) AS t
    FULL JOIN (SELECT * FROM previous_ledger WHERE level <= 2) AS e
        ON t.basis = e.basis AND t.division_code = e.division_code AND t.measure = e.measure
),

city_cell AS (
    SELECT min(division_code) AS city_code FROM cell WHERE level = 1
),

placed AS (
    SELECT was, "is", cause, 'household' AS basis, household_was AS code_was, household_is AS code_is
    FROM change
    UNION ALL
    SELECT was, "is", cause, 'residence', residence_was, residence_is
    FROM change
),

levelled AS (
    SELECT * FROM placed
    UNION ALL
    -- who moves within the city stays in the city's own cell
    SELECT
        p.was,
        p."is",
        p.cause,
        p.basis,
        CASE WHEN p.code_was IS NOT NULL THEN city_cell.city_code END,
        CASE WHEN p.code_is IS NOT NULL THEN city_cell.city_code END
    FROM placed AS p
    CROSS JOIN city_cell
),

measured AS (
    SELECT
        p.basis,
        p.cause,
        m.measure,
        CASE WHEN list_contains(m.statuses, p.was) THEN p.code_was END AS code_was,
        CASE WHEN list_contains(m.statuses, p."is") THEN p.code_is END AS code_is
    FROM levelled AS p
    CROSS JOIN (
        SELECT 'insured' AS measure, ['staff', 'resident', 'elsewhere', 'attached_newborn'] AS statuses
        UNION ALL
        SELECT 'uninsured', ['uninsured']
        UNION ALL
        SELECT 'should_be_insured', ['staff', 'resident', 'elsewhere', 'attached_newborn', 'uninsured']
    ) AS m
),

counted AS (
    SELECT basis, code_is AS division_code, measure, cause, 1 AS added, 0 AS removed
    FROM measured
    WHERE code_is IS NOT NULL AND differs(code_is, code_was)
    UNION ALL
    SELECT basis, code_was, measure, cause, 0, 1
    FROM measured
    WHERE code_was IS NOT NULL AND differs(code_was, code_is)
),

summed AS (
    SELECT basis, division_code, measure, cause, sum(added)::BIGINT AS added, sum(removed)::BIGINT AS removed
    FROM counted
    GROUP BY basis, division_code, measure, cause
)

SELECT
    c.basis,
    c.division_code,
    c.division_name,
    c.level,
    c.measure,
    k.code AS cause,
    c.previous,
    coalesce(s.added, 0) AS added,
    coalesce(s.removed, 0) AS removed,
    coalesce(s.added, 0) - coalesce(s.removed, 0) AS delta,
    c.value
FROM cell AS c
CROSS JOIN previous_run
CROSS JOIN code_change_cause AS k
LEFT JOIN summed AS s
    ON
        c.basis = s.basis
        AND c.division_code = s.division_code
        AND c.measure = s.measure
        AND k.code = s.cause
WHERE c.measure IN ('should_be_insured', 'insured', 'uninsured')
