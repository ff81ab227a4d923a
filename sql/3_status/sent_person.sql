-- title: 已下发的行 / rows that were sent out, with their person
-- grain: one row per row sent out by the as-of date
-- rules: LED-3
-- columns:
--   person_key: null where nobody has the person's id any more
WITH
sent AS (
    SELECT
        r.*,
        id_key(r.person_id) AS id_key,
        b.is_recalled
    FROM sent_row AS r
    INNER JOIN sent_batch AS b ON r.batch_no = b.batch_no
),

named AS (
    SELECT id_key(person_id) AS id_key, person_key, 1 AS rank_no
    FROM person_identity
    UNION ALL
    -- who turns out to have had an earlier number had another id before (contract 3.1)
    SELECT id_key(keyed_hash(s.secret, key_text(l.number_key))), l.person_key, 2
    FROM number_link AS l
    CROSS JOIN secret AS s
    WHERE l.number_key >= 0
)

SELECT
    s.batch_no,
    s.serial,
    s.batch_id,
    sent_code(s.row_code) AS row_code,
    s.division_code,
    s.role,
    s.sent,
    s.due,
    s.is_recalled,
    n.person_key
FROM sent AS s
LEFT JOIN named AS n ON s.id_key = n.id_key
QUALIFY row_number() OVER (PARTITION BY s.batch_no, s.serial ORDER BY n.rank_no) = 1
