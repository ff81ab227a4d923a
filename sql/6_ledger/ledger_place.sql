-- title: 各落地位置的合计 / counts at the deepest known place
-- grain: one row per basis and division
-- rules: LED-1, LED-3
-- columns:
--   basis: household (whoever has a resd_code in the city) or residence (whoever has a live_code in it)
WITH
placed AS (
    SELECT 'household' AS basis, resd_place AS place_code, p.*
    FROM ledger_person AS p
    WHERE p.resd_place IS NOT NULL
    UNION ALL
    SELECT 'residence', p.live_place, p.*
    FROM ledger_person AS p
    WHERE p.live_place IS NOT NULL
)

SELECT
    basis,
    place_code,
    count(*) FILTER (resd_in_city) AS registered,
    count(*) FILTER (live_in_city) AS resident,
    count(*) FILTER (resd_in_city AND compared = 'here') AS registered_present,
    count(*) FILTER (basis = 'household' AND compared = 'away') AS registered_absent,
    count(*) FILTER (basis = 'residence' AND (compared = 'away' OR resd_place IS NULL) AND live_in_city) AS present_unregistered,
    count(*) FILTER (is_due) AS should_be_insured,
    count(*) FILTER (is_insured) AS insured,
    count(*) FILTER (status = 'staff') AS insured_staff,
    count(*) FILTER (status = 'resident') AS insured_resident,
    count(*) FILTER (status = 'elsewhere') AS insured_elsewhere,
    count(*) FILTER (status = 'attached_newborn') AS attached_newborn,
    count(*) FILTER (status = 'staff' AND staff_kind = 'active') AS staff_active,
    count(*) FILTER (status = 'staff' AND staff_kind = 'retired') AS staff_retired,
    count(*) FILTER (status = 'staff' AND staff_kind = 'flexible') AS staff_flexible,
    count(*) FILTER (status = 'resident' AND coalesce(tier, '1') = '1') AS resident_tier1,
    count(*) FILTER (status = 'resident' AND tier = '2') AS resident_tier2,
    count(*) FILTER (status = 'uninsured') AS uninsured,
    count(*) FILTER (reason = 'never') AS uninsured_never,
    count(*) FILTER (reason = 'lapsed') AS uninsured_lapsed,
    count(*) FILTER (reason = 'stopped') AS uninsured_stopped,
    count(*) FILTER (reason = 'unpaid') AS uninsured_unpaid,
    count(*) FILTER (status = 'uninsured' AND is_separated) AS separated_uninsured,
    count(*) FILTER (starts_with(status, 'excluded_')) AS excluded,
    count(*) FILTER (status = 'excluded_death') AS excluded_death,
    count(*) FILTER (status = 'excluded_cancelled') AS excluded_cancelled,
    count(*) FILTER (status = 'excluded_moved') AS excluded_moved,
    count(*) FILTER (status = 'excluded_abroad') AS excluded_abroad,
    count(*) FILTER (status = 'excluded_military') AS excluded_military,
    count(*) FILTER (status = 'excluded_custody') AS excluded_custody,
    count(*) FILTER (status = 'out_of_scope') AS out_of_scope,
    count(*) FILTER (is_waiting) AS waiting_persons,
    count(*) FILTER (is_duplicate) AS duplicate_persons,
    count(*) FILTER (is_aided AND is_due) AS aid_should,
    count(*) FILTER (is_aided AND is_insured) AS aid_insured,
    count(*) FILTER (is_newborn AND is_due) AS newborn_should,
    count(*) FILTER (is_newborn AND is_insured) AS newborn_insured,
    count(*) FILTER (is_city_student AND is_due) AS student_should,
    count(*) FILTER (is_city_student AND is_insured) AS student_insured,
    count(*) FILTER (has_feedback) AS feedback_received,
    count(*) FILTER (insured_last_year) AS insured_last_year
FROM placed
GROUP BY basis, place_code
