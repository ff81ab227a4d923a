-- title: 医疗救助身份 / recognised kinds of medical aid
-- grain: one row per person, kind of aid and spell begun by the as-of date
-- rules: AID-1, AID-2
SELECT
    o.person_key,
    a.aid_type,
    a.begn_date,
    a.end_date,
    coalesce(p.priority, 9999) AS priority,
    p.tier1_personal,
    p.tier2_personal,
    a.end_date IS NULL OR a.end_date >= run.as_of AS in_force
FROM src_aid_recipient AS a
CROSS JOIN run
INNER JOIN other_row AS o ON a.row_no = o.row_no AND o.source = 'aid_recipient'
LEFT JOIN aid_param AS p ON a.aid_type = p.aid_type
WHERE a.begn_date <= run.as_of
