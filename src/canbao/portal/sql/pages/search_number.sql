SELECT
    p.person_id,
    p.household_tree,
    p.residence_tree,
    p.psn_name,
    p.certno,
    p.gend,
    p.age,
    p.resd_code,
    p.live_code,
    p.insured_status,
    p.uninsured_reason
FROM number_lookup AS h
INNER JOIN person_lookup AS l ON h.person_id = l.person_id
INNER JOIN person AS p ON l.n = p.rowid
WHERE
    h.h = hash($number::VARCHAR)
    AND (p.household_tree BETWEEN $t0 AND $t1 OR p.residence_tree BETWEEN $t0 AND $t1)
ORDER BY p.rowid
LIMIT $size;
