SELECT
    person_id,
    household_tree,
    residence_tree,
    psn_name,
    certno,
    gend,
    age,
    resd_code,
    live_code,
    insured_status,
    uninsured_reason
FROM person
WHERE
    (household_tree BETWEEN $t0 AND $t1 OR residence_tree BETWEEN $t0 AND $t1)
    AND starts_with(psn_name, $name)
ORDER BY rowid
LIMIT $size;
