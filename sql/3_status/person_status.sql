-- title: 参保状态 / exactly one status of every person
-- grain: one row per person
-- rules: LED-2, NB-4, ELG-2
-- parts: computed
-- columns:
--   status: staff, resident, elsewhere, attached_newborn, uninsured, excluded_*, out_of_scope (contract 3.3)
--   reason: of the uninsured: unpaid, stopped, lapsed, never
--   resd_no, live_no: the two codes as numbers, whose digits are compared in a quarter of the time that text takes
WITH
judged AS (
    SELECT
        f.person_key,
        f.psn_name,
        f.gend,
        f.brdy,
        f.household_no,
        f.in_population,
        f.resd_code,
        f.live_code,
        code_no(f.resd_code) AS resd_no,
        code_no(f.live_code) AS live_no,
        f.resd_status,
        f.status_date,
        f.resd_permit,
        f.known_from_birth,
        d.person_key IS NOT NULL AS is_dead,
        d.death_date,
        d.source AS death_source,
        c.person_key IS NOT NULL AS in_custody,
        r.status_rlts,
        r.staff_kind,
        r.relation_mark,
        coalesce(r.staff_unpaid, false) AS staff_unpaid,
        coalesce(r.is_staff, false) AS is_staff,
        coalesce(r.is_resident, false) AS is_resident,
        coalesce(r.is_elsewhere, false) AS is_elsewhere,
        coalesce(r.is_unpaid, false) AS is_unpaid,
        coalesce(r.is_stopped, false) AS is_stopped,
        g.guardian_key,
        coalesce(r.has_earlier, false)
        OR coalesce(v.any_bits & ((1::BIGINT << (run.insured_year - 1990)) - 1) <> 0, false) AS was_insured,
        coalesce((v.any_bits >> (run.insured_year - 1 - 1990)) & 1 = 1, false) AS insured_last_year,
        s.person_key IS NOT NULL AND s.at_school AND s.in_city AS is_city_student,
        s.group_tag AS student_tag,
        coalesce(starts_with(f.resd_code, city.prefix), false) AS resd_in_city,
        coalesce(starts_with(f.live_code, city.prefix), false) AS live_in_city
    FROM person_fact AS f
    CROSS JOIN run
    CROSS JOIN city
    LEFT JOIN death_person AS d ON f.person_key = d.person_key
    LEFT JOIN custody_person AS c ON f.person_key = c.person_key
    LEFT JOIN person_relation AS r ON f.person_key = r.person_key
    LEFT JOIN newborn_guardian AS g ON f.person_key = g.person_key
    LEFT JOIN person_cover AS v ON f.person_key = v.person_key
    LEFT JOIN student_person AS s ON f.person_key = s.person_key
),

scoped AS (
    SELECT
        *,
        resd_in_city OR (live_in_city AND resd_permit) OR is_city_student OR known_from_birth AS in_scope
    FROM judged
),

decided AS (
    SELECT
        *,
        CASE
            WHEN is_dead THEN 'excluded_death'
            WHEN is_staff THEN 'staff'
            WHEN is_resident THEN 'resident'
            WHEN is_elsewhere THEN 'elsewhere'
            WHEN guardian_key IS NOT NULL THEN 'attached_newborn'
            WHEN NOT in_scope THEN 'out_of_scope'
            WHEN resd_status = '3' THEN 'excluded_cancelled'
            WHEN resd_status = '2' THEN 'excluded_moved'
            WHEN resd_status = '5' THEN 'excluded_abroad'
            WHEN resd_status = '7' THEN 'excluded_military'
            WHEN in_custody THEN 'excluded_custody'
            ELSE 'uninsured'
        END AS status
    FROM scoped
)

SELECT
    * EXCLUDE (is_staff, is_resident, is_elsewhere, is_stopped, was_insured),
    CASE
        WHEN status <> 'uninsured' THEN NULL
        WHEN is_unpaid THEN 'unpaid'
        WHEN is_stopped THEN 'stopped'
        WHEN was_insured THEN 'lapsed'
        ELSE 'never'
    END AS reason,
    -- 人户分离: both places known to the township, in different townships
    coalesce(resd_no % 1000000 <> 0 AND live_no % 1000000 <> 0 AND resd_no // 1000 <> live_no // 1000, false)
        AS is_separated
FROM decided
