SELECT
    l.k,
    c.person_id,
    c.status_is IS NOT NULL AS known,
    c.now_household + c.now_residence > 0 AS is_listed,
    c.lives_household AS household_tree,
    c.lives_residence AS residence_tree,
    c.psn_name,
    c.certno,
    c.gend,
    c.age,
    c.household_no,
    d.division_code AS place_code,
    c.uninsured_reason,
    c.status_is,
    c.cause,
    c.detail
FROM (
    SELECT n, k
    FROM closed_of($t0, $t1, $basis, $reason, $cause)
    WHERE k > $after
    ORDER BY k * $sign
    LIMIT $size OFFSET $skip
) AS l
INNER JOIN closed AS c ON l.n = c.rowid
INNER JOIN division AS d ON c.tree = d.tree_no
ORDER BY l.k;
