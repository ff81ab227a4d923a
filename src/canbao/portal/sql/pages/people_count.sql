SELECT count(*)::BIGINT AS "rows", count(*)::BIGINT AS persons FROM people_of($t0, $t1, $basis, $bit);
