SELECT count(*)::BIGINT AS "rows", count(DISTINCT person_id)::BIGINT AS persons
FROM duplicate_of($t0, $t1, $unplaced, $basis, $action, $kind, $state, $part);
