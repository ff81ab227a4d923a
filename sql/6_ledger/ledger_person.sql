-- title: 台账计数 / what each person counts as
-- grain: one row per person
-- rules: LED-1, LED-3, AID-1, NB-7
-- columns:
--   resd_place, live_place: deepest known division inside the city on the household and the residence basis
--   counted: the measures of the ledger that count the person, as bits (code_measure_bit), on the bases that a measure has
WITH
duplicate_person AS (
    SELECT DISTINCT person_key FROM duplicate_pair
),

feedback_known AS (
    SELECT person_key, bool_or(outcome = 'adopted') AS is_verified
    FROM feedback_judged
    WHERE person_key IS NOT NULL
    GROUP BY person_key
),

-- overdue is who was asked and of whom nobody has said anything, though one answer was due by now
asked AS (
    SELECT
        person_key,
        bool_or(is_answered) AS is_answered,
        bool_or(is_overdue) AND NOT bool_or(is_answered) AS is_overdue
    FROM sent_answer
    WHERE of_year AND NOT is_recalled AND person_key IS NOT NULL
    GROUP BY person_key
),

waiting_person AS (
    SELECT i.person_key
    FROM entitlement AS e
    CROSS JOIN run
    INNER JOIN person_identity AS i ON e.person_id = i.person_id
    WHERE e.wait_start IS NOT NULL AND e.benefit_begn > run.as_of
),

aided AS (
    SELECT DISTINCT person_key FROM aid WHERE in_force
),

fact AS (
    SELECT
        s.person_key,
        h.place_code AS resd_place,
        -- who is registered here and lives nobody knows where belongs to the city as a whole on the residence basis
        CASE WHEN s.live_code IS NULL AND s.resd_in_city THEN city.city_code ELSE l.place_code END AS live_place,
        s.resd_in_city,
        s.live_in_city,
        -- where both places are known deep enough: here (户在人在), away (户在人不在, 人在户不在)
        CASE
            WHEN s.resd_no IS NULL OR s.live_no IS NULL THEN NULL
            -- of one of them only the city is known, and the other lies in it
            WHEN s.resd_in_city AND s.live_in_city AND code_no(city.city_code) IN (s.resd_no, s.live_no) THEN NULL
            WHEN s.resd_no // 1000000 <> s.live_no // 1000000 THEN 'away'
            WHEN s.resd_no // 1000 % 1000 = 0 OR s.live_no // 1000 % 1000 = 0 THEN NULL
            WHEN s.resd_no // 1000 <> s.live_no // 1000 THEN 'away'
            ELSE 'here'
        END AS compared,
        s.status,
        s.reason,
        s.status IN ('staff', 'resident', 'elsewhere', 'attached_newborn') AS is_insured,
        s.status IN ('staff', 'resident', 'elsewhere', 'attached_newborn', 'uninsured') AS is_due,
        s.staff_kind,
        t.tier,
        s.is_separated,
        s.insured_last_year,
        s.is_city_student,
        coalesce(s.brdy BETWEEN run.newborn_from AND run.as_of, false) AS is_newborn,
        a.person_key IS NOT NULL AS is_aided,
        w.person_key IS NOT NULL AS is_waiting,
        d.person_key IS NOT NULL AS is_duplicate,
        f.person_key IS NOT NULL AS has_feedback,
        coalesce(f.is_verified, false) AS is_verified,
        q.person_key IS NOT NULL AS is_dispatched,
        coalesce(q.is_answered, false) AS is_answered,
        coalesce(q.is_overdue, false) AS is_overdue
    FROM person_status AS s
    CROSS JOIN run
    CROSS JOIN city
    LEFT JOIN division_place AS h ON s.resd_code = h.code AND h.in_city
    LEFT JOIN division_place AS l ON s.live_code = l.code AND l.in_city
    LEFT JOIN resident_tier AS t ON s.person_key = t.person_key
    LEFT JOIN waiting_person AS w ON s.person_key = w.person_key
    LEFT JOIN aided AS a ON s.person_key = a.person_key
    LEFT JOIN duplicate_person AS d ON s.person_key = d.person_key
    LEFT JOIN feedback_known AS f ON s.person_key = f.person_key
    LEFT JOIN asked AS q ON s.person_key = q.person_key
)

SELECT
    person_key,
    resd_place,
    live_place,
    (
        flag(resd_in_city, 0)  -- registered
        + flag(live_in_city, 1)  -- resident
        + flag(resd_in_city AND compared = 'here', 2)  -- registered_present
        + flag(compared = 'away', 3)  -- registered_absent
        + flag((compared = 'away' OR resd_place IS NULL) AND live_in_city, 4)  -- present_unregistered
        + flag(is_due, 5)  -- should_be_insured
        + flag(is_insured, 6)  -- insured
        + flag(status = 'staff', 7)  -- insured_staff
        + flag(status = 'resident', 8)  -- insured_resident
        + flag(status = 'elsewhere', 9)  -- insured_elsewhere
        + flag(status = 'attached_newborn', 10)  -- attached_newborn
        + flag(status = 'staff' AND staff_kind = 'active', 11)  -- staff_active
        + flag(status = 'staff' AND staff_kind = 'retired', 12)  -- staff_retired
        + flag(status = 'staff' AND staff_kind = 'flexible', 13)  -- staff_flexible
        + flag(status = 'resident' AND coalesce(tier, '1') = '1', 14)  -- resident_tier1
        + flag(status = 'resident' AND tier = '2', 15)  -- resident_tier2
        + flag(status = 'uninsured', 16)  -- uninsured
        + flag(reason = 'never', 17)  -- uninsured_never
        + flag(reason = 'lapsed', 18)  -- uninsured_lapsed
        + flag(reason = 'stopped', 19)  -- uninsured_stopped
        + flag(reason = 'unpaid', 20)  -- uninsured_unpaid
        + flag(status = 'uninsured' AND is_separated, 21)  -- separated_uninsured
        + flag(starts_with(status, 'excluded_'), 22)  -- excluded
        + flag(status = 'excluded_death', 23)  -- excluded_death
        + flag(status = 'excluded_cancelled', 24)  -- excluded_cancelled
        + flag(status = 'excluded_moved', 25)  -- excluded_moved
        + flag(status = 'excluded_abroad', 26)  -- excluded_abroad
        + flag(status = 'excluded_military', 27)  -- excluded_military
        + flag(status = 'excluded_custody', 28)  -- excluded_custody
        + flag(status = 'out_of_scope', 29)  -- out_of_scope
        + flag(is_waiting, 30)  -- waiting_persons
        + flag(is_duplicate, 31)  -- duplicate_persons
        + flag(is_aided AND is_due, 32)  -- aid_should
        + flag(is_aided AND is_insured, 33)  -- aid_insured
        + flag(is_newborn AND is_due, 34)  -- newborn_should
        + flag(is_newborn AND is_insured, 35)  -- newborn_insured
        + flag(is_city_student AND is_due, 36)  -- student_should
        + flag(is_city_student AND is_insured, 37)  -- student_insured
        + flag(has_feedback, 38)  -- feedback_received
        + flag(insured_last_year, 39)  -- insured_last_year
        + flag(is_dispatched, 40)  -- dispatched
        + flag(is_overdue, 41)  -- feedback_overdue
        + flag(is_verified, 42)  -- feedback_verified
        + flag(is_dispatched AND is_insured, 43)  -- enrolled_since
        + flag(is_answered, 44)  -- dispatched_answered
    ) AS counted
FROM fact
