-- unified social credit codes of a wrong form (GB 32100: 18 digits and letters without I, O, S, V, Z)
SELECT *
FROM {batch}
WHERE uscc IS NOT NULL AND (length(uscc) <> 18 OR NOT regexp_full_match(uscc, '[0-9A-HJ-NP-RTUWXY]+'))
