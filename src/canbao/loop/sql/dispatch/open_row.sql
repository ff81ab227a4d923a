-- Rows that a village still has before it: sent, not recalled, and no confirmed answer of that row by the division that it
-- was sent to, nor a later one of that division about the person.
WITH
sent_now AS (
    SELECT
        s.person_id,
        s.batch_no,
        s.serial,
        s.division_code,
        s.sent,
        coalesce(c.place_code, s.division_code) AS place_code,
        b.level
    FROM sent AS s
    INNER JOIN batch_now AS b ON s.batch_no = b.batch_no
    LEFT JOIN division_code AS c ON s.division_code = c.code
),

answered_row AS (
    SELECT DISTINCT batch_no, serial, division_code
    FROM answered
    WHERE batch_no IS NOT NULL
),

answered_place AS (
    SELECT a.person_id, coalesce(c.place_code, a.division_code) AS place_code, max(a.day) AS day
    FROM answered AS a
    LEFT JOIN division_code AS c ON a.division_code = c.code
    GROUP BY a.person_id, coalesce(c.place_code, a.division_code)
)

SELECT s.person_id, s.batch_no, s.place_code, d.l3, s.level AS batch_level
FROM sent_now AS s
INNER JOIN division AS d ON s.place_code = d.division_code
LEFT JOIN answered_row AS r
    ON s.batch_no = r.batch_no AND s.serial = r.serial AND s.division_code = r.division_code
LEFT JOIN answered_place AS p ON s.person_id = p.person_id AND s.place_code = p.place_code
WHERE r.batch_no IS NULL AND (p.day IS NULL OR p.day < s.sent)
