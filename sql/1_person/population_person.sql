-- title: 公安人口（一人一行） / the population row that speaks for a person
-- grain: one row per person of the population: of several rows the one in normal registration, newest by date
WITH
repeated AS (
    SELECT person_key
    FROM population_row
    GROUP BY person_key
    HAVING count(*) > 1
),

ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY person_key
            ORDER BY
                (resd_status IN ('2', '3', '4', '5', '6', '7'))::INTEGER,
                (length(certno) = 15)::INTEGER,
                status_date DESC NULLS LAST,
                (person_key = number_key)::INTEGER,
                certno
        ) AS rank_no
    FROM population_row
    WHERE person_key IN (SELECT person_key FROM repeated)
)

SELECT * EXCLUDE (row_no, certno)
FROM population_row
WHERE person_key NOT IN (SELECT person_key FROM repeated)
UNION ALL
SELECT * EXCLUDE (row_no, certno, rank_no) FROM ranked WHERE rank_no = 1
