-- title: 服刑人员 / people in custody on the as-of date
-- grain: one row per person
SELECT o.person_key, max(c.begn_date) AS begn_date
FROM src_custody AS c
CROSS JOIN run
INNER JOIN other_row AS o ON c.row_no = o.row_no AND o.source = 'custody'
WHERE c.begn_date <= run.as_of AND (c.end_date IS NULL OR c.end_date >= run.as_of)
GROUP BY o.person_key
