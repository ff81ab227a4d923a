-- title: 已下发的行 / rows that were sent out, with their person
-- grain: one row per row sent out by the as-of date
-- rules: LED-3
-- columns:
--   person_key: null where nobody has the person's id any more
WITH
sent AS (
    SELECT
        r.batch_no,
        r.serial,
        r.batch_id,
        r.row_code,
        r.division_code,
        r.role,
        r.sent,
        r.due,
        id_key(r.person_id) AS id_key,
        b.is_recalled
    FROM sent_row AS r
    INNER JOIN sent_batch AS b ON r.batch_no = b.batch_no
),

identified AS (
    SELECT id_key(person_id) AS id_key, person_key FROM person_identity
),

-- who turns out to have had an earlier number had another id before (contract 3.1)
renamed AS (
    SELECT id_key(keyed_hash(s.secret, key_text(l.number_key))) AS id_key, min(l.person_key) AS person_key
    FROM number_link AS l
    CROSS JOIN secret AS s
    WHERE l.number_key >= 0
    GROUP BY id_key(keyed_hash(s.secret, key_text(l.number_key)))
)

SELECT
    s.batch_no,
    s.serial,
    s.batch_id,
    s.row_code,
    s.division_code,
    s.role,
    s.sent,
    s.due,
    s.is_recalled,
    coalesce(i.person_key, r.person_key) AS person_key
FROM sent AS s
LEFT JOIN identified AS i ON s.id_key = i.id_key
LEFT JOIN renamed AS r ON s.id_key = r.id_key
