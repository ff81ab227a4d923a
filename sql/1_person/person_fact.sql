-- title: 人员基本信息 / what the sources say of every person
-- grain: one row per person
-- rules: NB-2
-- parts: computed
-- columns:
--   mother_key, father_key: number keys of a born child's parents
--   known_from_birth: a child of the birth records whom the population does not know (contract 3.3)
SELECT
    i.person_key,
    p.person_key IS NOT NULL AS in_population,
    coalesce(p.psn_name, b.psn_name, n.psn_name) AS psn_name,
    coalesce(CASE WHEN p.gend IN ('1', '2') THEN p.gend END, i.number_gend, b.gend, p.gend) AS gend,
    -- a birth date still to come is a finding, not a fact
    coalesce(CASE WHEN p.brdy <= run.as_of THEN p.brdy END, b.brdy, i.number_brdy, n.brdy, p.brdy) AS brdy,
    CASE WHEN p.person_key IS NULL THEN b.mother_resd_code ELSE p.resd_code END AS resd_code,
    CASE WHEN p.person_key IS NULL THEN b.live_code ELSE p.live_code END AS live_code,
    CASE WHEN p.person_key IS NULL THEN b.mother_household_no ELSE p.household_no END AS household_no,
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
CROSS JOIN run
LEFT JOIN population_person AS p ON i.person_key = p.person_key
LEFT JOIN birth_person AS b ON i.person_key = b.person_key
LEFT JOIN stranger_name AS n ON i.person_key = n.person_key
