-- title: 儿童联系人 / mother or guardian of uninsured children
-- grain: one row per uninsured child with a known guardian
-- columns:
--   contact_name: of those who live the first with a telephone, else the first: mother, guardians, father
WITH
told AS (
    SELECT s.person_key, 1 AS rank_no, f.mother_key AS contact_key, f.mother_name AS contact_name
    FROM person_status AS s
    INNER JOIN person_fact AS f ON s.person_key = f.person_key
    WHERE s.status = 'uninsured' AND (f.mother_key IS NOT NULL OR f.mother_name IS NOT NULL)
    UNION ALL
    -- who the child's enrollment names
    SELECT r.person_key, 2, coalesce(l.person_key, number_key(r.guardian_certno)), NULL
    FROM relation_row AS r
    INNER JOIN person_status AS s ON r.person_key = s.person_key AND s.status = 'uninsured'
    LEFT JOIN number_link AS l ON number_key(r.guardian_certno) = l.number_key
    WHERE r.guardian_certno IS NOT NULL
    UNION ALL
    SELECT o.person_key, 3, coalesce(l.person_key, number_key(v.guardian_certno)), NULL
    FROM src_vaccination AS v
    INNER JOIN other_row AS o ON v.row_no = o.row_no AND o.source = 'vaccination'
    INNER JOIN person_status AS s ON o.person_key = s.person_key AND s.status = 'uninsured'
    LEFT JOIN number_link AS l ON number_key(v.guardian_certno) = l.number_key
    WHERE v.guardian_certno IS NOT NULL
    UNION ALL
    SELECT s.person_key, 4, f.father_key, NULL
    FROM person_status AS s
    INNER JOIN person_fact AS f ON s.person_key = f.person_key
    WHERE s.status = 'uninsured' AND f.father_key IS NOT NULL
)

SELECT
    t.person_key,
    coalesce(p.psn_name, t.contact_name) AS contact_name,
    p.tel AS contact_tel
FROM told AS t
LEFT JOIN population_person AS p ON t.contact_key = p.person_key
LEFT JOIN person_status AS s ON t.contact_key = s.person_key
WHERE
    (p.psn_name IS NOT NULL OR t.contact_name IS NOT NULL)
    AND coalesce(s.status <> 'excluded_death', true)
QUALIFY row_number() OVER (
    PARTITION BY t.person_key ORDER BY (p.tel IS NULL), t.rank_no, t.contact_key
) = 1
