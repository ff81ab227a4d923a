-- title: 与上次发布不同的人员 / who differs from the previous publication
-- grain: one row per person whose status, reason or district differs
-- columns:
--   id_key: 64 bits of person_id: what is compared for everybody are two integers
WITH
earlier AS (
    SELECT
        id_key(p.person_id) AS id_key,
        hash(p.insured_status, p.uninsured_reason, p.household_district, p.residence_district) AS state
    FROM previous_person AS p
    CROSS JOIN previous_run
),

tonight AS (
    SELECT
        id_key(p.person_id) AS id_key,
        hash(p.insured_status, p.uninsured_reason, p.household_district, p.residence_district) AS state
    FROM person AS p
    CROSS JOIN previous_run
)

SELECT coalesce(t.id_key, e.id_key) AS id_key
FROM tonight AS t
FULL JOIN earlier AS e ON t.id_key = e.id_key
WHERE differs(t.state, e.state)
