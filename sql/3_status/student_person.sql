-- title: 学籍 / school registration of a person
-- grain: one row per student in the newest registration
-- rules: RET-3, RET-9, FIN-2
-- parts: laid out
-- columns:
--   at_school: in school or on leave of it (student_status 1, 2)
--   school_place6: six digits of the school's district
SELECT
    o.person_key,
    s.student_status IN ('1', '2') AS at_school,
    s.enroll_date,
    s.school_admdvs,
    place6(s.school_admdvs) AS school_place6,
    starts_with(s.school_admdvs, city.prefix) AS in_city,
    coalesce(c.is_college = 'true', false) AS is_college,
    c.group_tag
FROM src_student AS s
CROSS JOIN city
INNER JOIN other_row AS o ON s.row_no = o.row_no AND o.source = 'student'
LEFT JOIN code_stage_class AS c ON s.stage = c.code
QUALIFY row_number() OVER (
    PARTITION BY o.person_key
    ORDER BY (s.student_status IN ('1', '2')) DESC, s.enroll_date DESC NULLS LAST, s.school_code, s.row_no
) = 1
