-- title: 网格核实结果 / answers that came back from the villages
-- grain: one row per returned row
-- rules: LED-1, LED-3
-- columns:
--   person_key: by the number, else, or where nobody else has heard of the number, by the code of the row that was sent;
--     null where neither names anybody
--   is_unheard_of: nobody but the villages has ever heard of the person
--   place_code: division in use that answered, as delivered where the division table lacks it
--   l1, l2, l3, l4: the divisions that it is or lies in
--   batch_no, serial: row that was sent and that this answers: by its code, else the row of this person that this
--     division was sent in that batch, else the newest one that it was sent before the visit
--   waits, priority: of the reason; not of one that has to say until when and does not, once departments should know.
--     What waits for nobody sets the priority for as long as it holds: afterwards the person is to be asked as any other
--   in_force: the visit was, and the answer still holds
WITH
coded AS (
    SELECT *, sent_code(row_code) AS sent_code
    FROM src_grid_feedback
),

numbered AS (
    SELECT o.row_no, o.person_key, k.source_bits = g.bit::INTEGER AS is_unheard_of
    FROM other_row AS o
    INNER JOIN person_key AS k ON o.person_key = k.person_key
    INNER JOIN code_source_bit AS g ON g.code = 'grid_feedback'
    WHERE o.source = 'grid_feedback'
),

named AS (
    SELECT
        f.row_no,
        n.person_key AS number_person,
        c.person_key AS sent_person,
        CASE
            WHEN n.is_unheard_of THEN coalesce(c.person_key, n.person_key)
            ELSE coalesce(n.person_key, c.person_key)
        END AS person_key,
        coalesce(n.is_unheard_of AND coalesce(c.person_key = n.person_key, true), false) AS is_unheard_of,
        f.batch_id,
        f.sent_code AS row_code,
        code12(f.division_code) AS division_code,
        f.reason_code,
        f.found_date,
        f.end_date,
        c.batch_no,
        c.serial
    FROM coded AS f
    LEFT JOIN numbered AS n ON f.row_no = n.row_no
    LEFT JOIN sent_person AS c ON f.sent_code = c.row_code
),

answer AS MATERIALIZED (
    SELECT
        * EXCLUDE (number_person, sent_person, batch_no, serial),
        CASE WHEN number_person IS NULL OR person_key = sent_person THEN batch_no END AS batch_no,
        CASE WHEN number_person IS NULL OR person_key = sent_person THEN serial END AS serial
    FROM named
),

by_person AS (
    SELECT a.row_no, s.batch_no, s.serial, s.row_code
    FROM answer AS a
    INNER JOIN sent_person AS s ON a.person_key = s.person_key
    WHERE
        a.batch_no IS NULL
        AND s.division_code = a.division_code
        AND (s.batch_id = a.batch_id OR s.sent <= a.found_date)
    QUALIFY row_number() OVER (
        PARTITION BY a.row_no ORDER BY (s.batch_id = a.batch_id) DESC, s.batch_no DESC, s.serial
    ) = 1
),

dated AS (
    SELECT
        a.*,
        c.code IS NOT NULL AS is_known_reason,
        coalesce(c.waits = 'true', false) AS may_wait,
        c.priority::INTEGER AS priority,
        c.says,
        coalesce(string_split(c.agrees, '|'), []::VARCHAR[]) AS agrees,
        coalesce(string_split(c.checked_by, '|'), []::VARCHAR[]) AS checked_by,
        a.found_date + coalesce(c.grace_days::INTEGER, 0) AS checked_after,
        coalesce(a.end_date, (a.found_date + c.holds_days::INTEGER)::DATE) AS holds_until,
        coalesce(
            c.needs_end = 'true' AND a.end_date IS NULL AND run.as_of > a.found_date + c.grace_days::INTEGER, false
        ) AS lacks_end
    FROM answer AS a
    CROSS JOIN run
    LEFT JOIN code_reason_class AS c ON a.reason_code = c.code
)

SELECT
    a.row_no,
    a.person_key,
    a.is_unheard_of,
    a.batch_id,
    coalesce(p.row_code, a.row_code) AS row_code,
    a.division_code,
    coalesce(d.division_code, a.division_code) AS place_code,
    d.level AS place_level,
    d.l1,
    d.l2,
    d.l3,
    d.l4,
    a.reason_code,
    a.found_date,
    a.end_date,
    coalesce(a.batch_no, p.batch_no) AS batch_no,
    coalesce(a.serial, p.serial) AS serial,
    a.is_known_reason,
    a.may_wait AND NOT a.lacks_end AS waits,
    CASE WHEN NOT a.lacks_end AND (a.may_wait OR coalesce(a.holds_until >= run.as_of, true)) THEN a.priority END
        AS priority,
    a.lacks_end,
    a.says,
    a.agrees,
    a.checked_by,
    a.checked_after,
    a.found_date <= run.as_of AS is_done,
    a.found_date <= run.as_of AND (a.end_date IS NULL OR a.end_date >= run.as_of) AS in_force
FROM dated AS a
CROSS JOIN run
LEFT JOIN by_person AS p ON a.row_no = p.row_no
LEFT JOIN division_successor AS s ON a.division_code = s.division_code
LEFT JOIN division_now AS d ON s.current_code = d.division_code
