SELECT uninsured_reason AS part, count(*)::BIGINT AS "rows", count(*)::BIGINT AS persons
FROM uninsured_of(
    $t0, $t1, $basis, $reason, $tag, $priority, $separated, $age_0, $age_1, $feedback, $since, $sort
)
GROUP BY part
ORDER BY part;
