-- title: 人员清单 / every person of any source
-- grain: one row per person
-- parts: laid out
-- columns:
--   source_bits: sources that know the person (code_source_bit)
SELECT coalesce(l.person_key, s.number_key) AS person_key, bit_or(s.source_bits)::INTEGER AS source_bits
FROM number_source AS s
LEFT JOIN number_link AS l ON s.number_key = l.number_key
WHERE s.source_bits <> 0
GROUP BY coalesce(l.person_key, s.number_key)
