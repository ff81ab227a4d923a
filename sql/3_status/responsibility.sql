-- title: 责任村（社区） / who has to visit an uninsured person
-- grain: one row per uninsured person and responsible division
-- rules: LED-3
-- publish: person_id, division_code
-- columns:
--   person_id: the person [sensitive]
--   division_code: deepest known division inside the city
--   role: household where the registration lies there, also where both do; residence otherwise
WITH
both_places AS (
    SELECT i.person_id, d.place_code AS division_code, 'household' AS role
    FROM person_status AS s
    INNER JOIN person_identity AS i ON s.person_key = i.person_key
    INNER JOIN division_place AS d ON s.resd_code = d.code AND d.in_city
    WHERE s.status = 'uninsured'
    UNION ALL
    SELECT i.person_id, d.place_code, 'residence'
    FROM person_status AS s
    INNER JOIN person_identity AS i ON s.person_key = i.person_key
    INNER JOIN division_place AS d ON s.live_code = d.code AND d.in_city
    WHERE s.status = 'uninsured'
)

SELECT person_id, division_code, min(role) AS role
FROM both_places
GROUP BY person_id, division_code
