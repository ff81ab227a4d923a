-- title: 人员清单 / every person of any source
-- grain: one row per person
-- parts: computed
-- columns:
--   source_bits: sources that know the person (code_source_bit)
SELECT person_key, bit_or(source_bits)::INTEGER AS source_bits
FROM number_source
WHERE source_bits <> 0
GROUP BY person_key
