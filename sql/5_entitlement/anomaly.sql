-- title: 疑点 / findings that somebody has to look at
-- grain: one row per finding
-- rules: LED-5, LED-7, ELG-1, ELG-2, ELG-3, ELG-4, AID-1, NB-2, NB-4
-- publish: person_id, kind, anomaly_id
-- joins: as written
-- columns:
--   anomaly_id: the same finding has the same id every night
--   person_id: the person [sensitive]
--   kind: dead_but_normal, custody_but_normal, abroad_but_normal, employed_but_resident, unemployment_without_staff, aid_uncovered, newborn_two_guardians, adult_certno_newborn, name_conflict, over_age_individual, employer_closed, newborn_other_number
--   rule_id: the rule it contradicts
--   evidence: the rows it rests on
WITH
live_relation AS (
    SELECT person_key, row_no, psn_insu_rlts_id, system, is_elsewhere, is_flexible, begn_date
    FROM relation
    WHERE is_normal
),

staff_live AS (
    SELECT DISTINCT person_key FROM live_relation WHERE system = 'staff'
),

flexible_relation AS (
    SELECT person_key, psn_insu_rlts_id, begn_date
    FROM live_relation
    WHERE is_flexible AND system = 'staff' AND NOT is_elsewhere
),

newborn_relation AS (
    SELECT r.person_key, r.psn_insu_rlts_id, r.begn_date
    FROM relation_row AS r
    INNER JOIN code_psn_type_class AS t ON r.psn_type = t.code AND t.is_newborn = 'true'
),

found AS (
    SELECT
        r.person_key, 'dead_but_normal' AS kind, 'LED-7' AS rule_id, r.psn_insu_rlts_id AS key,
        json_object('psn_insu_rlts_id', r.psn_insu_rlts_id, 'death_date', d.death_date, 'source', d.source) AS evidence
    FROM live_relation AS r
    INNER JOIN death_person AS d ON r.person_key = d.person_key
    UNION ALL
    SELECT
        r.person_key, 'custody_but_normal', 'LED-5', r.psn_insu_rlts_id,
        json_object('psn_insu_rlts_id', r.psn_insu_rlts_id, 'begn_date', c.begn_date)
    FROM live_relation AS r
    INNER JOIN custody_person AS c ON r.person_key = c.person_key
    UNION ALL
    SELECT
        r.person_key, 'abroad_but_normal', 'LED-5', r.psn_insu_rlts_id,
        json_object('psn_insu_rlts_id', r.psn_insu_rlts_id, 'status_date', s.status_date)
    FROM live_relation AS r
    INNER JOIN person_status AS s ON r.person_key = s.person_key
    WHERE s.resd_status = '5'
    UNION ALL
    SELECT
        s.person_key, 'employed_but_resident', 'ELG-3', '',
        json_object('psn_insu_rlts_id', s.status_rlts, 'uscc', min(e.uscc), 'since', min(e.begn_date))
    FROM person_status AS s
    INNER JOIN employment_row AS e ON s.person_key = e.person_key
    WHERE
        s.status = 'resident' AND e.kind IN ('contract', 'pension')
        AND s.person_key NOT IN (SELECT person_key FROM staff_live)
    GROUP BY s.person_key, s.status_rlts
    UNION ALL
    SELECT
        e.person_key, 'unemployment_without_staff', 'ELG-4', '',
        json_object('begn_date', min(e.begn_date))
    FROM person_status AS s
    INNER JOIN employment_row AS e ON s.person_key = e.person_key
    WHERE
        s.status <> 'excluded_death' AND e.kind = 'unemployment'
        AND e.person_key NOT IN (SELECT person_key FROM staff_live)
    GROUP BY e.person_key
    UNION ALL
    SELECT
        a.person_key, 'aid_uncovered', 'AID-1', '',
        json_object('aid_type', min(a.aid_type), 'begn_date', min(a.begn_date), 'uninsured_reason', s.reason)
    FROM person_status AS s
    INNER JOIN aid AS a ON s.person_key = a.person_key
    WHERE s.status = 'uninsured' AND a.in_force
    GROUP BY a.person_key, s.reason
    UNION ALL
    SELECT
        r.person_key, 'newborn_two_guardians', 'NB-4', '',
        json_object('relations', list(r.psn_insu_rlts_id ORDER BY r.psn_insu_rlts_id))
    FROM relation_row AS r
    LEFT JOIN number_link AS l ON number_key(r.guardian_certno) = l.number_key
    WHERE r.guardian_certno IS NOT NULL
    GROUP BY r.person_key
    HAVING count(DISTINCT coalesce(l.person_key, number_key(r.guardian_certno))) > 1
    UNION ALL
    -- a newborn's relation under the number of somebody grown up: a guardian's number in the child's place
    SELECT
        r.person_key, 'adult_certno_newborn', 'NB-2', r.psn_insu_rlts_id,
        json_object('psn_insu_rlts_id', r.psn_insu_rlts_id, 'age', age_on(s.brdy, r.begn_date))
    FROM person_status AS s
    INNER JOIN newborn_relation AS r ON s.person_key = r.person_key
    WHERE age_on(s.brdy, r.begn_date) >= 18
    UNION ALL
    SELECT
        r.person_key, 'name_conflict', 'LED-5', r.psn_insu_rlts_id,
        json_object(
            'psn_insu_rlts_id', r.psn_insu_rlts_id,
            'sources', ['population', CASE WHEN r.is_elsewhere THEN 'enrollment_elsewhere' ELSE 'enrollment' END]
        )
    FROM relation_row AS r
    INNER JOIN population_person AS p ON r.person_key = p.person_key
    WHERE NOT same_name(r.psn_name, p.psn_name)
    UNION ALL
    SELECT
        r.person_key, 'over_age_individual', 'ELG-1', r.psn_insu_rlts_id,
        json_object('psn_insu_rlts_id', r.psn_insu_rlts_id, 'age', age_on(s.brdy, r.begn_date), 'resd_code', s.resd_code)
    FROM person_status AS s
    CROSS JOIN run
    INNER JOIN flexible_relation AS r ON s.person_key = r.person_key
    WHERE
        NOT s.resd_in_city AND s.resd_code IS NOT NULL
        AND r.begn_date >= run.age_limit_from
        AND age_on(s.brdy, r.begn_date) >= CASE s.gend WHEN '1' THEN run.age_limit_male ELSE run.age_limit_female END
    UNION ALL
    SELECT
        r.person_key, 'employer_closed', 'LED-5', r.psn_insu_rlts_id,
        json_object('psn_insu_rlts_id', r.psn_insu_rlts_id, 'uscc', r.uscc, 'status', e.status, 'status_date', e.status_date)
    FROM relation_row AS r
    INNER JOIN src_enterprise AS e ON r.uscc = e.uscc AND e.status IN ('2', '3')
    WHERE r.is_normal AND r.system = 'staff' AND NOT r.is_elsewhere AND NOT r.is_retired
    UNION ALL
    -- a child that the birth records know without a number and the population with one: perhaps two files of one child
    SELECT
        b.person_key, 'newborn_other_number', 'NB-2', '',
        json_object('birth_cert_no', b.birth_cert_no, 'same_name_and_day_in_household', b.household_no)
    FROM person_fact AS p
    INNER JOIN person_fact AS b ON p.household_no = b.household_no AND p.brdy = b.brdy
    -- names only of who shares the household and the day: as a condition of the join they would be spelled out of everybody
    WHERE p.in_population AND b.known_from_birth AND coalesce(name_key(b.psn_name) = name_key(p.psn_name), false)
)

SELECT
    'A' || substr(sha256(i.person_id || f.kind || f.key), 1, 19) AS anomaly_id,
    i.person_id,
    f.kind,
    f.rule_id,
    f.evidence::VARCHAR AS evidence
FROM person_identity AS i
INNER JOIN found AS f ON i.person_key = f.person_key
