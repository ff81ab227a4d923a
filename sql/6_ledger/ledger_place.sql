-- title: 各落地位置的合计 / counts at the deepest known place
-- grain: one row per basis, division and measure that counts anybody there
-- rules: LED-1, LED-3
-- columns:
--   basis: household (whoever has a resd_code in the city) or residence (whoever has a live_code in it)
WITH
placed AS (
    SELECT 'household' AS basis, resd_place AS place_code, counted
    FROM ledger_person
    WHERE resd_place IS NOT NULL
    UNION ALL
    SELECT 'residence', live_place, counted
    FROM ledger_person
    WHERE live_place IS NOT NULL
),

-- people of one place who count alike are added up before their measures are told apart
alike AS (
    SELECT basis, place_code, counted, count(*) AS persons
    FROM placed
    GROUP BY basis, place_code, counted
)

SELECT
    a.basis,
    a.place_code,
    m.measure,
    sum(a.persons)::BIGINT AS value
FROM alike AS a
CROSS JOIN code_measure_bit AS m
WHERE
    m.bit IS NOT NULL
    AND has_flag(a.counted, m.bit::INTEGER)
    AND (m.basis IS NULL OR m.basis = a.basis)
GROUP BY a.basis, a.place_code, m.measure
