-- returned rows without an outcome, or with one that does not go with what is told beside it
SELECT f.*
FROM {batch} AS f
LEFT JOIN code_feedback_why AS w ON f.why = w.code AND f.outcome = w.outcome
WHERE
  w.code IS NULL
  OR (f.outcome = 'contradicted' AND differs(f.why, 'contradicted_' || f.contradicted_by))
  OR (f.outcome = 'adopted' AND f.person_id IS NULL)
