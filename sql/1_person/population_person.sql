-- title: 公安人口（一人一行） / the population row that speaks for a person
-- grain: one row per person of the population: of several rows the one in normal registration, newest by date
-- joins: as written
-- parts: laid out
WITH
repeated AS (
    SELECT person_key
    FROM population_row
    GROUP BY person_key
    HAVING count(*) > 1
),

several AS (
    SELECT row_no, number_key, person_key
    FROM population_row
    WHERE person_key IN (SELECT person_key FROM repeated)
),

-- numbers that another row of these people calls used-to-be
former AS (
    SELECT DISTINCT number_key(p.old_certno) AS number_key
    FROM src_population AS p
    INNER JOIN several AS s ON p.row_no = s.row_no
    WHERE p.old_certno IS NOT NULL AND number_key(p.old_certno) <> s.number_key
),

silent AS (
    SELECT s.row_no
    FROM src_population AS p
    INNER JOIN several AS s ON p.row_no = s.row_no
    LEFT JOIN former AS f ON s.number_key = f.number_key
    QUALIFY row_number() OVER (
        PARTITION BY s.person_key
        ORDER BY
            (p.resd_status IN ('2', '3', '4', '5', '6', '7'))::INTEGER,
            (length(p.certno) = 15)::INTEGER,
            p.status_date DESC NULLS LAST,
            (f.number_key IS NOT NULL)::INTEGER,
            (s.person_key = s.number_key)::INTEGER,
            p.certno
    ) > 1
),

keyed AS (
    SELECT *, number_key(certno) AS number_key
    FROM src_population
    WHERE row_no NOT IN (SELECT row_no FROM silent)
)

SELECT
    k.number_key,
    coalesce(l.person_key, k.number_key) AS person_key,
    k.psn_cert_type,
    k.psn_name,
    k.gend,
    k.brdy,
    code12(k.resd_code) AS resd_code,
    code12(k.live_code) AS live_code,
    k.household_no,
    k.resd_status,
    k.status_date,
    k.resd_permit,
    k.tel
FROM keyed AS k
LEFT JOIN number_link AS l ON k.number_key = l.number_key
