-- title: 格式或校验码不正确的号码 / numbers that can be no citizen number
-- grain: one row per number text that is neither 18 signs with their check digit nor 15 digits with a birth date
-- columns:
--   number: as the sources wrote it
SELECT key_text(number_key) AS number
FROM unsound_key
UNION
SELECT number
FROM number_seen
WHERE seen_in_certno AND NOT number_is_sound(number)
UNION
-- a child's number that is a parent's, and a relation that this city's own repeats, are nobody's, and yet to be mended
SELECT certno
FROM src_birth
WHERE NOT number_is_sound(certno)
UNION
SELECT certno
FROM src_enrollment_elsewhere
WHERE NOT number_is_sound(certno)
