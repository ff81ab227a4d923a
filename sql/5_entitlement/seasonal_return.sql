-- title: 短期务工结束 / paused resident relations of people whose job has ended
-- grain: one row per person whose job has ended and whose resident relation is paused
-- rules: RET-8
-- columns:
--   staff_no: the job that ended last
--   action: restore where the relation is paid for the year in which the job ended or for the insured year, else enroll_anew
--   paid_year: the newest year paid for
WITH
ended_job AS (
    SELECT r.person_key, r.row_no AS staff_no, r.psn_insu_rlts_id, r.begn_date, w.end_date
    FROM relation AS r
    CROSS JOIN run
    INNER JOIN relation_row AS w ON r.row_no = w.row_no
    WHERE r.system = 'staff' AND r.is_stopped AND w.end_date <= run.as_of AND NOT r.is_retired
),

last_job AS (
    SELECT person_key, staff_no, end_date
    FROM ended_job
    QUALIFY row_number() OVER (PARTITION BY person_key ORDER BY end_date DESC, psn_insu_rlts_id) = 1
),

-- one short job often follows another: the relation was paused for one of them, in its time or when somebody came to it
paused AS (
    SELECT r.row_no AS rel_no, r.person_key, r.insu_admdvs, r.begn_date, r.psn_insu_rlts_id
    FROM relation AS r
    INNER JOIN relation_row AS w ON r.row_no = w.row_no
    INNER JOIN ended_job AS j ON r.person_key = j.person_key
    WHERE
        r.system = 'resident' AND NOT r.is_elsewhere AND r.psn_insu_stas = '2'
        AND r.begn_date <= j.begn_date
        AND (w.end_date IS NULL OR w.end_date >= j.begn_date - 31)
    GROUP BY r.row_no, r.person_key, r.insu_admdvs, r.begn_date, r.psn_insu_rlts_id
),

paid AS (
    SELECT
        p.rel_no,
        max(c.year) AS paid_year,
        bool_or(c.year = year(j.end_date) OR c.year = run.insured_year) AS is_of_year
    FROM paused AS p
    CROSS JOIN run
    INNER JOIN last_job AS j ON p.person_key = j.person_key
    INNER JOIN covered_year AS c ON p.rel_no = c.rel_no
    GROUP BY p.rel_no
)

SELECT
    p.person_key,
    p.rel_no,
    j.staff_no,
    j.end_date AS job_end,
    y.paid_year,
    CASE WHEN y.is_of_year THEN 'restore' ELSE 'enroll_anew' END AS action
FROM paused AS p
CROSS JOIN run
INNER JOIN last_job AS j ON p.person_key = j.person_key
INNER JOIN paid AS y ON p.rel_no = y.rel_no
INNER JOIN person_status AS s ON p.person_key = s.person_key AND s.status IN ('uninsured', 'out_of_scope')
WHERE y.paid_year = run.insured_year OR year(j.end_date) >= run.insured_year - 1
-- two restored at once would be the next duplicate: the one where the person lives (RET-2), else the newest
QUALIFY
    row_number() OVER (
        PARTITION BY p.person_key
        ORDER BY
            (NOT y.is_of_year)::INTEGER, (place6(s.live_code) IS DISTINCT FROM place6(p.insu_admdvs))::INTEGER,
            p.begn_date DESC, p.psn_insu_rlts_id
    ) = 1
