-- title: 短期务工结束 / paused resident relations of people whose job has ended
-- grain: one row per paused relation
-- rules: RET-8
-- columns:
--   action: restore where the job ended in the year the relation is paid for, else enroll_anew
WITH
ended_job AS (
    SELECT r.person_key, r.row_no AS staff_no, r.begn_date, w.end_date
    FROM relation AS r
    CROSS JOIN run
    INNER JOIN relation_row AS w ON r.row_no = w.row_no
    WHERE r.system = 'staff' AND r.is_stopped AND w.end_date <= run.as_of AND NOT r.is_retired
    QUALIFY row_number() OVER (PARTITION BY r.person_key ORDER BY w.end_date DESC, r.psn_insu_rlts_id) = 1
),

paused AS (
    SELECT r.person_key, r.row_no AS rel_no, r.begn_date, w.end_date, max(c.year) AS paid_year
    FROM relation AS r
    INNER JOIN relation_row AS w ON r.row_no = w.row_no
    INNER JOIN covered_year AS c ON r.row_no = c.rel_no
    WHERE r.system = 'resident' AND NOT r.is_elsewhere AND r.psn_insu_stas = '2'
    GROUP BY r.person_key, r.row_no, r.begn_date, w.end_date
)

SELECT
    p.person_key,
    p.rel_no,
    j.staff_no,
    j.end_date AS job_end,
    p.paid_year,
    CASE WHEN year(j.end_date) = p.paid_year THEN 'restore' ELSE 'enroll_anew' END AS action
FROM paused AS p
CROSS JOIN run
INNER JOIN ended_job AS j ON p.person_key = j.person_key
INNER JOIN person_status AS s ON p.person_key = s.person_key AND s.status = 'uninsured'
WHERE
    p.begn_date <= j.begn_date
    -- the relation was paused for this job: in its time
    AND (p.end_date IS NULL OR p.end_date BETWEEN j.begn_date - 31 AND j.end_date)
    AND (p.paid_year = run.insured_year OR year(j.end_date) >= run.insured_year - 1)
