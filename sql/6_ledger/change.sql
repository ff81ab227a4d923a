-- title: 较上次发布的变动人员 / people whose status, reason or district differs from the previous publication
-- grain: one row per person; none where there is no previous publication of the same insured year
-- rules: LED-2, LED-3
-- publish: person_id
-- joins: as written
-- columns:
--   person_id: the person [sensitive]
--   was: status in the previous publication, null where it did not know the person
--   is: status tonight, null where nobody knows the person any more
--   reason_was: why uninsured in the previous publication
--   reason_is: why uninsured tonight
--   cause: payment, feedback, source_data, birth, death, move, division_change, rule_change (code_change_cause); one, the first that applies
--   detail: what happened (code_change_detail)
--   household_was: district that counted the person by registration, the city's code followed by - for 未落地
--   household_is: likewise tonight
--   residence_was: district that counted the person by residence
--   residence_is: likewise tonight
--   evidence: the payment that explains it, by delivery, file and line (JSON), else null
--
-- Several things may happen to a person in one night; the cause is the first of:
-- 0. source_data, where the police roster itself is the reason: a county's people come back all at once (behind birth:
--    whoever was known without it yesterday); somebody is in it no longer (behind death and moves);
-- 1. death;
-- 2. birth: a child not known before that has a birth record or was born since the window opened; or now attached to a
--    parent;
-- 3. move, out and in: the police say that the person left (2, 5) or is back, or register somebody whom they had not;
-- 4. payment: the status rests on a payment, or lost one, out of a file that the previous publication had not read; or
--    months of staff payments did not come (so time that passes without them stands here);
-- 5. move, within: another code was delivered, in another district; a code that was blank or is only more or less
--    precise than before is none;
-- 6. division_change: the district differs, the person stayed: the same code, or one that today's successors lead to;
-- 7. rule_change: parameters or program differ from the previous night's and what is on record of the person does not;
-- 8. source_data: all else, among it whoever vanished or appeared without a reason, deaths taken back, lists that end
--    (aid, custody) and relations that were stopped.
-- The status goes first because it moves the city's figures: who moves between districts and pays is a payer.
-- Feedback changes no status (contract 3.3), so that it is nobody's cause.
WITH
earlier AS (
    SELECT k.id_key, p.*
    FROM previous_person AS p
    INNER JOIN change_key AS k ON id_key(p.person_id) = k.id_key
),

tonight AS (
    SELECT
        k.id_key,
        p.person_id,
        p.insured_status,
        p.uninsured_reason,
        p.household_district,
        p.residence_district,
        p.resd_code,
        p.live_code,
        p.resd_status,
        p.in_population,
        p.brdy,
        p.evidence_mark,
        list_contains(p.sources, 'birth') AS has_birth_record
    FROM person AS p
    INNER JOIN change_key AS k ON id_key(p.person_id) = k.id_key
),

known AS (
    SELECT t.id_key, i.person_key
    FROM person_identity AS i
    INNER JOIN tonight AS t ON i.person_id = t.person_id
),

fact AS (
    SELECT k.id_key, s.staff_unpaid, y.* EXCLUDE (person_key)
    FROM person_status AS s
    INNER JOIN known AS k ON s.person_key = k.person_key
    LEFT JOIN payment_new AS y ON k.person_key = y.person_key
),

paired AS (
    SELECT
        coalesce(t.person_id, e.person_id) AS person_id,
        e.insured_status AS status_was,
        t.insured_status AS status_is,
        e.uninsured_reason AS reason_was,
        t.uninsured_reason AS reason_is,
        e.household_district AS household_was,
        t.household_district AS household_is,
        e.residence_district AS residence_was,
        t.residence_district AS residence_is,
        coalesce(e.in_population, false) AS registered_was,
        coalesce(t.in_population, false) AS registered_is,
        coalesce(e.resd_status IN ('2', '5'), false) AS away_was,
        coalesce(t.resd_status IN ('2', '5'), false) AS away_is,
        coalesce(t.resd_status NOT IN ('2', '5'), false) AS here_is,
        t.brdy,
        coalesce(t.has_birth_record, false) AS has_birth_record,
        coalesce(e.evidence_mark = t.evidence_mark, false) AS same_evidence,
        differs(e.insured_status, t.insured_status) OR differs(e.uninsured_reason, t.uninsured_reason) AS other_status,
        differs(e.household_district, t.household_district) AS other_household,
        differs(e.residence_district, t.residence_district) AS other_residence,
        e.resd_code AS resd_was,
        t.resd_code AS resd_is,
        e.live_code AS live_was,
        t.live_code AS live_is,
        coalesce(e.resd_code = t.resd_code OR h.district = t.household_district, false) AS same_registration,
        coalesce(e.live_code = t.live_code OR l.district = t.residence_district, false) AS same_residence,
        f.* EXCLUDE (id_key)
    FROM tonight AS t
    FULL JOIN earlier AS e ON t.id_key = e.id_key
    LEFT JOIN fact AS f ON t.id_key = f.id_key
    LEFT JOIN change_place AS h ON e.resd_code = h.code
    LEFT JOIN change_place AS l ON e.live_code = l.code
),

judged AS (
    SELECT
        p.*,
        (p.other_household AND NOT p.same_registration AND is_another_code(p.resd_was, p.resd_is))
        OR (p.other_residence AND NOT p.same_residence AND is_another_code(p.live_was, p.live_is)) AS has_moved,
        NOT p.other_status AND (
            (p.other_household AND p.same_registration) OR (p.other_residence AND p.same_residence)
        ) AS was_reorganised
    FROM paired AS p
),

-- the reverse of what stops a night (contract section 2): more than a fifth and more than 20 people of a county at once
registered_before AS (
    SELECT substr(resd_code, 1, 6) AS county, count(*) AS persons
    FROM previous_person
    WHERE in_population
    GROUP BY county
),

registered_new AS (
    SELECT substr(resd_is, 1, 6) AS county, count(*) AS persons
    FROM paired
    WHERE registered_is AND NOT registered_was
    GROUP BY county
),

returned_county AS (
    SELECT n.county
    FROM registered_new AS n
    LEFT JOIN registered_before AS b ON n.county = b.county
    WHERE n.persons > 20 AND n.persons > 0.2 * coalesce(b.persons, 0)
),

explained AS (
    SELECT
        j.*,
        CASE
            WHEN j.registered_is AND NOT j.registered_was AND c.county IS NOT NULL THEN 'returned'
            WHEN j.status_is = 'excluded_death' AND differs(j.status_was, 'excluded_death') THEN 'died'
            WHEN j.status_is IS NULL THEN 'vanished'
            WHEN j.status_was = 'excluded_death' AND j.status_is <> 'excluded_death' THEN 'death_withdrawn'
            WHEN j.status_was IS NULL AND (j.has_birth_record OR j.brdy >= run.newborn_from) THEN 'born'
            WHEN j.status_is = 'attached_newborn' AND j.status_was <> 'attached_newborn' THEN 'attached'
            WHEN
                j.registered_is
                AND NOT j.registered_was
                AND j.status_was IS NOT NULL
                AND NOT (j.has_birth_record OR coalesce(j.brdy >= run.newborn_from, false))
                THEN 'returned'
            WHEN
                j.status_is IN ('excluded_moved', 'excluded_abroad')
                AND j.away_is
                AND NOT j.away_was
                AND j.status_was IS NOT NULL
                THEN 'moved_out'
            WHEN j.status_was IN ('excluded_moved', 'excluded_abroad') AND j.here_is THEN 'moved_back'
            WHEN j.registered_was AND NOT j.registered_is THEN 'left_population'
            WHEN j.registered_is AND NOT j.registered_was THEN 'registered'
            WHEN
                j.status_is = 'resident'
                AND differs(j.status_was, 'resident')
                AND j.resident_paid_no IS NOT NULL
                THEN 'resident_paid'
            WHEN
                j.status_is = 'staff'
                AND differs(j.status_was, 'staff')
                AND j.staff_paid_no IS NOT NULL
                THEN 'staff_paid'
            WHEN
                j.status_was = 'resident'
                AND j.status_is NOT IN ('resident', 'staff')
                AND j.resident_back_no IS NOT NULL
                THEN 'refunded'
            WHEN j.status_was = 'staff' AND j.status_is <> 'staff' AND j.staff_back_no IS NOT NULL THEN 'refunded'
            WHEN j.status_was = 'staff' AND j.status_is <> 'staff' AND j.staff_unpaid THEN 'staff_unpaid'
            WHEN
                j.status_was = 'uninsured'
                AND j.status_is = 'uninsured'
                AND j.reason_was <> j.reason_is
                AND j.any_no IS NOT NULL
                THEN 'paid_otherwise'
            WHEN j.status_was IS NULL THEN 'appeared'
            WHEN j.has_moved THEN 'moved'
            WHEN j.was_reorganised THEN 'division_changed'
            WHEN previous_run.rules_changed AND j.same_evidence THEN 'rules_changed'
            WHEN previous_run.code_changed AND j.same_evidence THEN 'program_changed'
            ELSE 'corrected'
        END AS detail
    FROM judged AS j
    CROSS JOIN run
    CROSS JOIN previous_run
    LEFT JOIN returned_county AS c ON substr(j.resd_is, 1, 6) = c.county
),

traced AS (
    SELECT
        *,
        CASE detail
            WHEN 'resident_paid' THEN resident_paid_no
            WHEN 'staff_paid' THEN staff_paid_no
            WHEN 'refunded' THEN CASE WHEN status_was = 'staff' THEN staff_back_no ELSE resident_back_no END
            WHEN 'paid_otherwise' THEN any_no
        END AS row_no
    FROM explained
)

SELECT
    t.person_id,
    t.status_was AS was,
    t.status_is AS "is",
    t.reason_was,
    t.reason_is,
    d.cause,
    t.detail,
    t.household_was,
    t.household_is,
    t.residence_was,
    t.residence_is,
    CASE
        WHEN t.row_no IS NOT NULL
            THEN json_object(
                'source', f.source, 'delivery', f.delivery, 'file', f.file, 'line', t.row_no % 4294967296
            )
    END::VARCHAR AS evidence
FROM traced AS t
INNER JOIN code_change_detail AS d ON t.detail = d.code
LEFT JOIN staged_file AS f ON t.row_no // 4294967296 = f.file_no
