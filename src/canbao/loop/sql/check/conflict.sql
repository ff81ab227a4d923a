-- classes of answers that contradict each other, both ways round
SELECT says_a, says_b FROM code_reason_conflict
UNION
SELECT says_b, says_a FROM code_reason_conflict
