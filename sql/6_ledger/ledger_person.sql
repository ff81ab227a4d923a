-- title: 台账计数 / what each person counts as
-- grain: one row per person
-- rules: LED-1, LED-3, AID-1, NB-7
-- columns:
--   resd_place, live_place: deepest known division inside the city on the household and the residence basis
--   compared: where both places are known deep enough: here (户在人在), away (户在人不在, 人在户不在), else null
WITH
duplicate_person AS (
    SELECT DISTINCT person_key FROM duplicate_pair
),

feedback_known AS (
    SELECT DISTINCT person_key FROM feedback_row WHERE person_key IS NOT NULL
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
)

SELECT
    s.person_key,
    h.place_code AS resd_place,
    -- who is registered here and lives nobody knows where belongs to the city as a whole on the residence basis
    CASE WHEN s.live_code IS NULL AND s.resd_in_city THEN city.city_code ELSE l.place_code END AS live_place,
    s.resd_in_city,
    s.live_in_city,
    CASE
        WHEN s.resd_code IS NULL OR s.live_code IS NULL THEN NULL
        WHEN substr(s.resd_code, 1, 6) <> substr(s.live_code, 1, 6) THEN 'away'
        WHEN substr(s.resd_code, 7, 3) = '000' OR substr(s.live_code, 7, 3) = '000' THEN NULL
        WHEN substr(s.resd_code, 7, 3) <> substr(s.live_code, 7, 3) THEN 'away'
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
    f.person_key IS NOT NULL AS has_feedback
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
