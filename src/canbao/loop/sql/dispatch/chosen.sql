-- Who is asked about, with the place in the batch: by village, household, then who comes first.
WITH
placed AS (
    SELECT
        person_id,
        division_code,
        role,
        batch_division,
        row_number() OVER (
            PARTITION BY batch_division ORDER BY division_code, household_no NULLS LAST, priority, person_id
        ) - 1 AS place
    FROM judged
    WHERE left_out IS NULL
)

SELECT
    p.person_id,
    p.division_code,
    p.role,
    p.batch_division,
    (p.place // asked.largest)::INTEGER AS part,
    (p.place % asked.largest + 1)::INTEGER AS serial
FROM placed AS p
CROSS JOIN asked
