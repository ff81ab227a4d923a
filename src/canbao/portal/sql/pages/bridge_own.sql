SELECT basis, measure, cause, previous, delta, value
FROM bridge
WHERE tree = $tree
ORDER BY basis, measure, cause;
