-- title: 网格核实结果 / answers that came back from the villages
-- grain: one row per returned row in force
-- rules: LED-1, LED-3
SELECT
    f.row_no,
    o.person_key,
    f.batch_id,
    code12(f.division_code) AS division_code,
    f.reason_code,
    f.found_date,
    f.end_date,
    f.note,
    c.code IS NOT NULL AS is_known_reason,
    coalesce(c.waits = 'true', false) AS waits,
    c.priority::INTEGER AS priority,
    f.found_date <= run.as_of AND (f.end_date IS NULL OR f.end_date >= run.as_of) AS in_force
FROM src_grid_feedback AS f
CROSS JOIN run
LEFT JOIN other_row AS o ON f.row_no = o.row_no AND o.source = 'grid_feedback'
LEFT JOIN code_reason_class AS c ON f.reason_code = c.code
