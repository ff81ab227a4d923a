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
FROM (
    SELECT n
    FROM name_lookup
    WHERE
        psn_name >= $name
        AND psn_name < $name || chr(1114111)
        AND starts_with(psn_name, $name)
        AND (household_tree BETWEEN $t0 AND $t1 OR residence_tree BETWEEN $t0 AND $t1)
    ORDER BY n
    LIMIT $size
) AS l
INNER JOIN person AS p ON l.n = p.rowid
ORDER BY p.rowid;
