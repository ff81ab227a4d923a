-- title: 新生儿 / children born in the insured year or its window
-- grain: one row per child
-- rules: NB-1, NB-2, NB-4, NB-7
-- publish: person_id
-- joins: as written
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
WITH
child AS (
    SELECT s.person_key, s.brdy, s.status, s.resd_code, s.live_code, s.guardian_key
    FROM person_status AS s
    CROSS JOIN run
    WHERE s.brdy BETWEEN run.newborn_from AND least(run.as_of, run.year_end)
),

born AS (
    SELECT s.*, f.birth_cert_no, f.mother_key
    FROM person_fact AS f
    INNER JOIN child AS s ON f.person_key = s.person_key
),

known AS (
    SELECT person_key, person_id
    FROM person_identity
    WHERE
        person_key IN (
            SELECT person_key FROM born
            UNION ALL
            SELECT guardian_key FROM born WHERE guardian_key IS NOT NULL
            UNION ALL
            SELECT mother_key FROM born WHERE mother_key IS NOT NULL
        )
)

SELECT
    i.person_id,
    s.birth_cert_no,
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
FROM born AS s
CROSS JOIN run
INNER JOIN known AS i ON s.person_key = i.person_key
LEFT JOIN known AS g ON s.guardian_key = g.person_key
LEFT JOIN known AS m ON s.mother_key = m.person_key
