-- everybody whom the rows may be about. grain: one row per person
SELECT person_id FROM sent
UNION
SELECT person_id FROM fact_number
