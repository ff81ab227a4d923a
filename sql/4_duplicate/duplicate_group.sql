-- title: 重复参保人员的保留关系 / which relation of a person is kept
-- grain: one row per person with a duplicate
-- rules: RET-1, RET-2, RET-3, RET-6, RET-10
-- columns:
--   staff_keep: the one staff relation at the place of work, null where none or several are there (RET-1)
--   resident_keep: the one at the school's place, else at the place of residence, null likewise (RET-3, RET-2)
--   group_keep: the one relation kept for the whole group (contract 3.4), null where nobody may decide
SELECT
    m.person_key,
    count(*) FILTER (m.system = 'staff') AS staff_relations,
    count(*) FILTER (m.system = 'resident') AS resident_relations,
    coalesce(bool_or(m.is_flexible) FILTER (m.system = 'staff'), false) AS has_flexible,
    bool_or(d.person_key IS NOT NULL) AS is_dead,
    CASE
        WHEN count(*) FILTER (m.system = 'staff') = 1 THEN min(m.row_no) FILTER (m.system = 'staff')
        WHEN count(*) FILTER (m.system = 'staff' AND m.at_work) = 1
            THEN min(m.row_no) FILTER (m.system = 'staff' AND m.at_work)
    END AS staff_keep,
    bool_or(m.system = 'resident' AND m.at_school) AS by_school,
    CASE
        WHEN bool_or(m.system = 'resident' AND m.at_school)
            THEN
                CASE
                    WHEN count(*) FILTER (m.system = 'resident' AND m.at_school) = 1
                        THEN min(m.row_no) FILTER (m.system = 'resident' AND m.at_school)
                END
        WHEN count(*) FILTER (m.system = 'resident' AND m.at_home) = 1
            THEN min(m.row_no) FILTER (m.system = 'resident' AND m.at_home)
    END AS resident_keep
FROM relation_match AS m
LEFT JOIN death_person AS d ON m.person_key = d.person_key
GROUP BY m.person_key
