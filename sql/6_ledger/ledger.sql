-- title: 四级参保台账 / the four-level ledger
-- grain: one row per insured year, basis, division and measure
-- rules: LED-1, LED-2, LED-3, TGT-1
-- publish: basis, level, division_code, measure
-- columns:
--   insu_year: insured year
--   as_of: as-of date
--   basis: household (户籍口径) or residence (常住口径)
--   level: 1 city, 2 district, 3 township, 4 village
--   division_code: 12 digits; the parent's followed by - for those whom nobody can place below it (未落地)
--   division_name: name today
--   measure: what is counted (contract 3.6)
--   value: number of people
WITH
basis_name AS (
    SELECT unnest(['household', 'residence']) AS basis
),

-- each division takes in the places below it; what lies at a division itself is its 未落地 row among its children
ledger_row AS (
    SELECT level, division_code, division_name, level AS of_level, division_code AS of_code FROM division_now
    UNION ALL
    SELECT level + 1, division_code || '-', division_name || '（未落地）', 0, division_code
    FROM division_now
    WHERE level < 4
),

-- every division adds up the places in it; a place above the villages adds to its own 未落地 row as well
contribution AS (
    SELECT c.basis, c.measure, u.of_level, u.of_code, sum(c.value)::BIGINT AS value
    FROM ledger_place AS c
    INNER JOIN (
        SELECT division_code, 1 AS of_level, l1 AS of_code FROM division_now
        UNION ALL
        SELECT division_code, 2, l2 FROM division_now WHERE level >= 2
        UNION ALL
        SELECT division_code, 3, l3 FROM division_now WHERE level >= 3
        UNION ALL
        SELECT division_code, 4, l4 FROM division_now WHERE level = 4
        UNION ALL
        SELECT division_code, 0, division_code FROM division_now WHERE level < 4
    ) AS u ON c.place_code = u.division_code
    GROUP BY c.basis, c.measure, u.of_level, u.of_code
    UNION ALL
    SELECT b.basis, 'target_persons', d.level, d.division_code, sum(t.target_persons)::BIGINT
    FROM src_target AS t
    CROSS JOIN run
    CROSS JOIN basis_name AS b
    INNER JOIN division_successor AS s ON code12(t.division_code) = s.division_code
    INNER JOIN division_now AS d ON s.current_code = d.division_code
    WHERE t.insu_year = run.insured_year
    GROUP BY b.basis, d.level, d.division_code
)

SELECT
    run.insured_year AS insu_year,
    run.as_of,
    b.basis,
    r.level,
    r.division_code,
    r.division_name,
    m.measure,
    coalesce(c.value, 0)::BIGINT AS value
FROM ledger_row AS r
CROSS JOIN run
CROSS JOIN basis_name AS b
CROSS JOIN code_measure_bit AS m
LEFT JOIN contribution AS c
    ON b.basis = c.basis AND m.measure = c.measure AND r.of_level = c.of_level AND r.of_code = c.of_code
