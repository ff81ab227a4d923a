-- title: 新生儿监护人 / the guardian a newborn is attached to
-- grain: one row per child born in the insured year with a guardian who is resident insured
-- rules: NB-4
-- joins: as written
-- columns:
--   guardian_key: guardian_certno of the enrollment where given, else the mother, else the father
--   guardian_id: the guardian's person_id [sensitive]
WITH
born AS (
    SELECT f.person_key, f.mother_key, f.father_key
    FROM person_fact AS f
    CROSS JOIN run
    WHERE year(f.brdy) = run.insured_year
),

-- a child with a paid relation of its own is insured by itself, or was
self_insured AS (
    SELECT r.person_key
    FROM relation AS r
    INNER JOIN born AS b ON r.person_key = b.person_key
    WHERE r.system = 'resident' AND r.covers_year
),

child AS (
    SELECT * FROM born WHERE person_key NOT IN (SELECT person_key FROM self_insured)
),

declared AS (
    -- several: one who is insured will do
    SELECT DISTINCT r.person_key, coalesce(l.person_key, number_key(r.guardian_certno)) AS guardian_key
    FROM relation_row AS r
    INNER JOIN child AS c ON r.person_key = c.person_key
    LEFT JOIN number_link AS l ON number_key(r.guardian_certno) = l.number_key
    WHERE r.guardian_certno IS NOT NULL
),

candidate AS (
    SELECT person_key, guardian_key, 1 AS rank_no FROM declared
    UNION ALL
    SELECT person_key, mother_key, 2 FROM child WHERE person_key NOT IN (SELECT person_key FROM declared)
    UNION ALL
    SELECT person_key, father_key, 3 FROM child WHERE person_key NOT IN (SELECT person_key FROM declared)
),

insured AS (
    SELECT c.person_key, c.guardian_key, c.rank_no
    FROM person_relation AS g
    INNER JOIN candidate AS c ON g.person_key = c.guardian_key
    WHERE g.is_resident AND NOT EXISTS (SELECT 1 FROM death_person AS d WHERE d.person_key = c.guardian_key)
),

chosen AS (
    SELECT person_key, guardian_key
    FROM insured
    QUALIFY row_number() OVER (PARTITION BY person_key ORDER BY rank_no, guardian_key) = 1
)

SELECT
    c.person_key,
    c.guardian_key,
    i.person_id AS guardian_id
FROM person_identity AS i
INNER JOIN chosen AS c ON i.person_key = c.guardian_key
