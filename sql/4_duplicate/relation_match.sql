-- title: 关系与就业地、常住地、学籍地的对应 / which of the competing relations lie where the person works, lives, studies
-- grain: one row per relation of a person with a duplicate
-- rules: RET-1, RET-2, RET-3
-- columns:
--   at_work: in the district of a current employer; without any contract, of the last employer with a payment
WITH
involved AS (
    SELECT DISTINCT r.*
    FROM duplicate_relation AS r
    INNER JOIN duplicate_pair AS p ON r.person_key = p.person_key AND (r.row_no = p.no_a OR r.row_no = p.no_b)
),

work_place AS (
    -- the employer's district; where no register knows it, that of the relation with the same employer
    SELECT DISTINCT e.person_key, coalesce(e.emp_place6, r.place6) AS place6
    FROM employment_row AS e
    INNER JOIN involved AS r ON e.person_key = r.person_key
    WHERE
        e.kind = 'contract'
        AND (e.emp_place6 IS NOT NULL OR (r.system = 'staff' AND r.uscc = e.uscc))
),

last_paid AS (
    SELECT i.person_key, max(coalesce(i.last_no, CASE WHEN i.is_elsewhere THEN run.as_of_month END)) AS last_no
    FROM involved AS i
    CROSS JOIN run
    WHERE i.system = 'staff'
    GROUP BY i.person_key
)

SELECT
    i.person_key,
    i.row_no,
    i.system,
    i.is_flexible,
    coalesce(s.at_school AND s.school_place6 = i.place6, false) AS at_school,
    coalesce(place6(f.live_code) = i.place6, false) AS at_home,
    CASE
        WHEN EXISTS (SELECT 1 FROM work_place AS w WHERE w.person_key = i.person_key)
            THEN EXISTS (SELECT 1 FROM work_place AS w WHERE w.person_key = i.person_key AND w.place6 = i.place6)
        ELSE
            coalesce(coalesce(i.last_no, CASE WHEN i.is_elsewhere THEN run.as_of_month END) = p.last_no, false)
    END AS at_work
FROM involved AS i
CROSS JOIN run
INNER JOIN person_fact AS f ON i.person_key = f.person_key
LEFT JOIN student_person AS s ON i.person_key = s.person_key
LEFT JOIN last_paid AS p ON i.person_key = p.person_key
