-- title: 人员基本信息 / what the sources say of every person
-- grain: one row per person
-- rules: NB-2
-- columns:
--   mother_key, father_key: number keys of a born child's parents
--   known_from_birth: a child of the birth records whom the population does not know (contract 3.3)
WITH
birth_link AS (
    SELECT
        o.person_key,
        b.*,
        row_number() OVER (PARTITION BY o.person_key ORDER BY b.birth_cert_no DESC) AS rank_no
    FROM birth_child AS b
    INNER JOIN other_row AS o ON b.row_no = o.row_no AND o.source = 'birth'
),

birth_person AS (
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

-- of few people: looked up before they meet everybody
mother AS (
    SELECT person_key, resd_code, household_no
    FROM population_person
    WHERE person_key IN (SELECT mother_key FROM birth_person)
),

stranger AS (
    SELECT person_key FROM person_key WHERE source_bits % 2 = 0
),

stranger_payment AS (
    SELECT person_key, row_no
    FROM payment_row
    WHERE person_key IN (SELECT person_key FROM stranger)
),

named AS (
    SELECT person_key, 1 AS source_rank, psn_name, NULL::DATE AS brdy
    FROM relation_row
    WHERE psn_name IS NOT NULL AND person_key IN (SELECT person_key FROM stranger)
    UNION ALL
    SELECT person_key, 2, psn_name, brdy
    FROM other_row
    WHERE (psn_name IS NOT NULL OR brdy IS NOT NULL) AND person_key IN (SELECT person_key FROM stranger)
    UNION ALL
    SELECT p.person_key, 3, t.psn_name, NULL
    FROM src_tax_payment AS t
    INNER JOIN stranger_payment AS p ON t.row_no = p.row_no
    WHERE t.psn_name IS NOT NULL
),

stranger_name AS (
    SELECT
        person_key,
        min(CASE WHEN psn_name IS NOT NULL THEN source_rank || psn_name END)[2:] AS psn_name,
        min(brdy) AS brdy
    FROM named
    GROUP BY person_key
)

SELECT
    i.person_key,
    k.source_bits,
    p.person_key IS NOT NULL AS in_population,
    coalesce(p.psn_name, b.psn_name, n.psn_name) AS psn_name,
    coalesce(CASE WHEN p.gend IN ('1', '2') THEN p.gend END, i.number_gend, b.gend, p.gend) AS gend,
    -- a birth date still to come is a finding, not a fact
    coalesce(CASE WHEN p.brdy <= run.as_of THEN p.brdy END, b.brdy, i.number_brdy, n.brdy, p.brdy) AS brdy,
    CASE WHEN p.person_key IS NULL THEN mother.resd_code ELSE p.resd_code END AS resd_code,
    CASE WHEN p.person_key IS NULL THEN b.live_code ELSE p.live_code END AS live_code,
    CASE WHEN p.person_key IS NULL THEN mother.household_no ELSE p.household_no END AS household_no,
    p.resd_status,
    p.status_date,
    coalesce(p.resd_permit, false) AS resd_permit,
    p.tel,
    b.birth_cert_no,
    b.mother_key,
    b.father_key,
    b.mother_name,
    b.person_key IS NOT NULL AND p.person_key IS NULL AS known_from_birth
FROM person_identity AS i
INNER JOIN person_key AS k ON i.person_key = k.person_key
CROSS JOIN run
LEFT JOIN population_person AS p ON i.person_key = p.person_key
LEFT JOIN birth_person AS b ON i.person_key = b.person_key
LEFT JOIN mother ON b.mother_key = mother.person_key
LEFT JOIN stranger_name AS n ON i.person_key = n.person_key
