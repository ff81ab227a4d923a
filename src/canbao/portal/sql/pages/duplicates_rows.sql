SELECT l.k, d.*
FROM (
    SELECT n, k
    FROM duplicate_of($t0, $t1, $unplaced, $basis, $action, $kind, $state, $part)
    WHERE k > $after
    ORDER BY k * $sign
    LIMIT $size OFFSET $skip
) AS l
INNER JOIN duplicate AS d ON l.n = d.rowid
ORDER BY l.k;
