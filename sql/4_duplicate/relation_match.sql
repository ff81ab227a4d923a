-- title: 关系与就业地、常住地、学籍地的对应 / which of the competing relations lie where the person works, lives, studies
-- grain: one row per relation of a person with a duplicate
-- rules: RET-1, RET-2, RET-3
-- columns:
--   at_work: in the district of a current employer; without any contract, of the last employer with a payment:
--     a record elsewhere, which tells no months, is no later than one paid up to the month before
WITH
involved AS (
    SELECT DISTINCT r.*
    FROM duplicate_relation AS r
    INNER JOIN duplicate_pair AS p ON r.person_key = p.person_key AND (r.row_no = p.no_a OR r.row_no = p.no_b)
),

contract_place AS (
    -- the employer's district; where no register knows it, that of the relation with the same employer
    SELECT DISTINCT e.person_key, coalesce(e.emp_place6, r.place6) AS place6
    FROM employment_row AS e
    INNER JOIN involved AS r ON e.person_key = r.person_key
    WHERE
        e.kind = 'contract'
        AND (e.emp_place6 IS NOT NULL OR (r.system = 'staff' AND r.uscc = e.uscc))
),

paid AS (
    -- months paid ahead make nobody a later employer; who pays alone or draws a pension is no employer beside one
    SELECT
        i.person_key,
        i.place6,
        i.is_elsewhere,
        CASE WHEN i.is_elsewhere THEN run.as_of_month ELSE least(i.last_no, run.as_of_month) END AS last_no,
        (i.is_flexible OR i.is_retired)::INTEGER AS without_employer
    FROM involved AS i
    CROSS JOIN run
    WHERE i.system = 'staff' AND (i.is_elsewhere OR i.last_no IS NOT NULL)
),

employer_first AS (
    SELECT person_key, min(without_employer) AS without_employer FROM paid GROUP BY person_key
),

last_paid AS (
    SELECT
        p.person_key,
        f.without_employer,
        max(p.last_no) - max(p.is_elsewhere::INTEGER) AS last_no
    FROM paid AS p
    INNER JOIN employer_first AS f ON p.person_key = f.person_key AND p.without_employer = f.without_employer
    GROUP BY p.person_key, f.without_employer
),

work_place AS (
    SELECT person_key, place6 FROM contract_place
    UNION
    SELECT p.person_key, p.place6
    FROM paid AS p
    INNER JOIN last_paid AS l
        ON p.person_key = l.person_key AND p.without_employer = l.without_employer AND p.last_no >= l.last_no
    WHERE p.person_key NOT IN (SELECT person_key FROM contract_place)
)

SELECT
    i.person_key,
    i.row_no,
    i.system,
    i.is_flexible,
    coalesce(s.at_school AND s.school_place6 = i.place6, false) AS at_school,
    coalesce(place6(f.live_code) = i.place6, false) AS at_home,
    w.place6 IS NOT NULL AS at_work
FROM involved AS i
INNER JOIN person_fact AS f ON i.person_key = f.person_key
LEFT JOIN student_person AS s ON i.person_key = s.person_key
LEFT JOIN work_place AS w ON i.person_key = w.person_key AND i.place6 = w.place6
