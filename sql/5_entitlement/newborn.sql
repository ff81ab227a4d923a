-- title: 新生儿 / children born in the insured year or its window
-- grain: one row per child
-- rules: NB-1, NB-2, NB-4, NB-7
-- publish: person_id
-- columns:
--   person_id: the child [sensitive]
--   birth_cert_no: number of the birth certificate [sensitive]
--   brdy: birth date [sensitive]
--   days_old: days since birth on the as-of date
--   day_90: last day of the newborn's time limit (newborn.days)
--   guardian_person_id: the guardian the child is attached to, else the mother [sensitive]
--   status: own (insured by itself), attached (with its guardian), none
--   list_60_90: not enrolled and between two thirds of the time limit and its end: to be visited this week
--   resd_code: registered division, the mother's where only the birth is known
--   live_code: division of residence
SELECT
    i.person_id,
    f.birth_cert_no,
    s.brdy,
    date_diff('day', s.brdy, run.as_of)::INTEGER AS days_old,
    (s.brdy + run.newborn_days)::DATE AS day_90,
    coalesce(g.person_id, m.person_id) AS guardian_person_id,
    CASE
        WHEN s.status IN ('staff', 'resident', 'elsewhere') THEN 'own'
        WHEN s.status = 'attached_newborn' THEN 'attached'
        ELSE 'none'
    END AS status,
    s.status = 'uninsured'
    AND date_diff('day', s.brdy, run.as_of) BETWEEN run.newborn_days * 2 // 3 AND run.newborn_days AS list_60_90,
    s.resd_code,
    s.live_code
FROM person_status AS s
CROSS JOIN run
INNER JOIN person_identity AS i ON s.person_key = i.person_key
INNER JOIN person_fact AS f ON s.person_key = f.person_key
LEFT JOIN person_identity AS g ON s.guardian_key = g.person_key
LEFT JOIN person_identity AS m ON f.mother_key = m.person_key
WHERE s.brdy BETWEEN run.newborn_from AND least(run.as_of, run.year_end)
