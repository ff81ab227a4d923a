-- title: 核实回收 / returned rows and what became of them
-- grain: one row per returned row
-- rules: LED-1
-- publish: batch_id, person_id, division_code, found_date, reason_code, end_date, effect, contradicted_by
-- columns:
--   batch_id: batch the list was sent out with
--   person_id: the person; null where the number or row code names nobody [sensitive]
--   division_code: who answered
--   reason_code: domain's reason codes
--   found_date: day of the visit
--   end_date: until when the answer holds
--   effect: stands, waits, expired, closed_insured, unknown_person, unknown_reason
--   contradicted_by: source whose data say otherwise
SELECT
    f.batch_id,
    i.person_id,
    f.division_code,
    f.reason_code,
    f.found_date,
    f.end_date,
    CASE
        WHEN i.person_id IS NULL THEN 'unknown_person'
        WHEN NOT f.is_known_reason THEN 'unknown_reason'
        WHEN s.status IN ('staff', 'resident', 'elsewhere', 'attached_newborn') THEN 'closed_insured'
        WHEN NOT f.in_force THEN 'expired'
        WHEN f.waits THEN 'waits'
        ELSE 'stands'
    END AS effect,
    CASE
        WHEN s.status IN ('staff', 'resident') THEN 'enrollment'
        WHEN s.status = 'elsewhere' THEN 'enrollment_elsewhere'
        WHEN f.reason_code <> 'D1' AND s.status = 'excluded_death' THEN s.death_source
    END AS contradicted_by
FROM feedback_row AS f
LEFT JOIN person_status AS s ON f.person_key = s.person_key
LEFT JOIN person_identity AS i ON f.person_key = i.person_key
