-- what the current publication says of the persons of a file. grain: one row per person
SELECT
    p.person_id,
    p.psn_name,
    p.brdy,
    p.resd_code,
    p.live_code,
    p.insured_status,
    p.insured_status IN ('staff', 'resident', 'elsewhere', 'attached_newborn') AS is_insured
FROM person AS p
INNER JOIN asked_person AS a ON p.person_id = a.person_id
