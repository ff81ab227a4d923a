-- title: 公安人口（一人一行） / the population row that speaks for a person
-- grain: one row per person of the population
-- columns:
--   rows_of_person: how many population rows the person has; the one in normal registration, newest by date, speaks
WITH
repeated AS (
    SELECT person_key
    FROM population_row
    GROUP BY person_key
    HAVING count(*) > 1
),

ranked AS (
    SELECT
        p.*,
        row_number() OVER (
            PARTITION BY p.person_key
            ORDER BY
                (p.resd_status IN ('2', '3', '4', '5', '6', '7'))::INTEGER,
                (length(p.certno) = 15)::INTEGER,
                p.status_date DESC NULLS LAST,
                (p.person_key = p.number_key)::INTEGER,
                p.certno
        ) AS rank_no,
        count(*) OVER (PARTITION BY p.person_key) AS rows_of_person
    FROM population_row AS p
    WHERE p.person_key IN (SELECT person_key FROM repeated)
)

SELECT p.*, 1::BIGINT AS rows_of_person
FROM population_row AS p
WHERE p.person_key NOT IN (SELECT person_key FROM repeated)
UNION ALL
SELECT * EXCLUDE (rank_no) FROM ranked WHERE rank_no = 1
