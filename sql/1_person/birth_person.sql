-- title: 出生登记（一人一行） / the birth record that speaks for a person, with the parents
-- grain: one row per person with a birth record: of several the one of the highest certificate number
-- rules: NB-2
-- joins: as written
-- columns:
--   mother_key, father_key: number keys of the parents
--   mother_resd_code, mother_household_no: the mother's in the population
WITH
birth_link AS (
    SELECT
        o.person_key,
        b.*,
        row_number() OVER (PARTITION BY o.person_key ORDER BY b.birth_cert_no DESC) AS rank_no
    FROM other_row AS o
    INNER JOIN birth_child AS b ON o.row_no = b.row_no
    WHERE o.source = 'birth'
),

parented AS (
    SELECT
        b.person_key,
        b.psn_name,
        b.gend,
        b.brdy,
        b.live_code,
        b.birth_cert_no,
        b.mother_name,
        coalesce(lm.person_key, number_key(b.mother_certno)) AS mother_key,
        coalesce(lf.person_key, number_key(b.father_certno)) AS father_key
    FROM birth_link AS b
    LEFT JOIN number_link AS lm ON number_key(b.mother_certno) = lm.number_key
    LEFT JOIN number_link AS lf ON number_key(b.father_certno) = lf.number_key
    WHERE b.rank_no = 1
),

mother AS (
    SELECT person_key, resd_code, household_no
    FROM population_person
    WHERE person_key IN (SELECT mother_key FROM parented WHERE mother_key IS NOT NULL)
)

SELECT p.*, m.resd_code AS mother_resd_code, m.household_no AS mother_household_no
FROM parented AS p
LEFT JOIN mother AS m ON p.mother_key = m.person_key
