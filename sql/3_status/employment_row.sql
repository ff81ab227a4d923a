-- title: 在职与失业待遇 / jobs and unemployment benefit in force
-- grain: one row per spell in force on the as-of date
-- rules: RET-1, ELG-3, ELG-4
-- parts: laid out
-- columns:
--   emp_place6: six digits of the employer's registered district
SELECT
    o.person_key,
    e.kind,
    e.uscc,
    e.begn_date,
    e.end_date,
    place6(c.admdvs) AS emp_place6
FROM src_employment AS e
CROSS JOIN run
INNER JOIN other_row AS o ON e.row_no = o.row_no AND o.source = 'employment'
LEFT JOIN src_enterprise AS c ON e.uscc = c.uscc
WHERE e.begn_date <= run.as_of AND (e.end_date IS NULL OR e.end_date >= run.as_of)
