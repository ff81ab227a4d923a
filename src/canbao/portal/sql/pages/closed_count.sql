SELECT cause AS part, count(*)::BIGINT AS "rows", count(*)::BIGINT AS persons
FROM closed_of($t0, $t1, $basis, $reason, $cause)
GROUP BY part
ORDER BY part;
