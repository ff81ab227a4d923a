-- title: 来源组合 / every combination of sources that occurs
-- grain: one row per combination
-- columns:
--   sources: sorted list of source names
SELECT s.source_bits, list(b.code ORDER BY b.code) AS sources
FROM (SELECT DISTINCT source_bits FROM person_key) AS s
INNER JOIN code_source_bit AS b ON s.source_bits & b.bit::INTEGER <> 0
GROUP BY s.source_bits
