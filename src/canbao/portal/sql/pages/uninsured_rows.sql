SELECT
    l.k,
    w.person_id,
    w.household_tree,
    w.residence_tree,
    w.psn_name,
    w.certno,
    w.gend,
    w.age,
    w.tel,
    w.resd_code,
    w.live_code,
    w.separated,
    w.uninsured_reason,
    w.last_insured_year,
    w.last_insutype,
    w.last_admdvs,
    w.household_no,
    w.contact_name,
    w.contact_tel,
    w.tags,
    w.priority,
    w.feedback_reason,
    w.feedback_date,
    w.feedback_division,
    w.feedback_until,
    NOT CASE $basis
        WHEN 'household' THEN w.was_household BETWEEN $t0 AND $t1
        WHEN 'residence' THEN w.was_residence BETWEEN $t0 AND $t1
        ELSE w.was_household BETWEEN $t0 AND $t1 OR w.was_residence BETWEEN $t0 AND $t1
    END AS is_new
FROM (
    SELECT n, k
    FROM uninsured_of(
        $t0, $t1, $basis, $reason, $tag, $priority, $separated, $age_0, $age_1, $feedback, $since, $sort
    )
    WHERE k > $after
    ORDER BY k * $sign
    LIMIT $size OFFSET $skip
) AS l
INNER JOIN worklist AS w ON l.n = w.rowid
ORDER BY l.k;
