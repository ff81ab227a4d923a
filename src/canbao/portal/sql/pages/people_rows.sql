SELECT
    l.k,
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
    p.uninsured_reason,
    p.tags
FROM (
    SELECT n, k
    FROM people_of($t0, $t1, $basis, $bit)
    WHERE k > $after
    ORDER BY k * $sign
    LIMIT $size OFFSET $skip
) AS l
INNER JOIN person AS p ON l.n = p.rowid
ORDER BY l.k;
