-- title: 不计断保的年度 / uncovered years that are no lapse
-- grain: one row per person in question
-- rules: WAIT-7
-- columns:
--   neutral_bits: years in custody or before discharge from the army (bit 0 = 1990)
WITH
spell AS (
    SELECT
        o.person_key,
        year(c.begn_date) AS first_year,
        least(run.insured_year, coalesce(year(c.end_date), run.insured_year)) AS last_year
    FROM src_custody AS c
    CROSS JOIN run
    INNER JOIN other_row AS o ON c.row_no = o.row_no AND o.source = 'custody'
    WHERE c.begn_date <= run.as_of
    UNION ALL
    -- how long somebody served is not delivered; service is at least the two years of a conscript
    SELECT o.person_key, year(v.discharge_date) - 2, year(v.discharge_date)
    FROM src_veteran AS v
    CROSS JOIN run
    INNER JOIN other_row AS o ON v.row_no = o.row_no AND o.source = 'veteran'
    WHERE v.discharge_date <= run.as_of
),

yearly AS (
    SELECT person_key, unnest(range(greatest(first_year, 1990), least(last_year, 2050) + 1))::INTEGER AS year
    FROM spell
    WHERE last_year >= greatest(first_year, 1990)
)

SELECT person_key, bit_or(1::BIGINT << (year - 1990)) AS neutral_bits
FROM yearly
GROUP BY person_key
