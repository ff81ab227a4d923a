-- title: 死亡人员 / people who died by the as-of date
-- grain: one row per person
-- rules: LED-7
-- columns:
--   death_date: null where only the registration says so and gives no date
WITH
told AS (
    SELECT o.person_key, d.death_date, 'death' AS source
    FROM src_death AS d
    CROSS JOIN run
    INNER JOIN other_row AS o ON d.row_no = o.row_no AND o.source = 'death'
    WHERE d.death_date <= run.as_of
    UNION ALL
    SELECT person_key, status_date, 'population'
    FROM population_person
    WHERE resd_status = '4'
)

SELECT person_key, min(death_date) AS death_date, min(source) AS source
FROM told
GROUP BY person_key
