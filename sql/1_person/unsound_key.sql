-- title: 校验码不正确的号码 / numbers of 18 digits whose check digit is wrong
-- grain: one row per such number and its person
-- parts: computed
-- columns:
--   number_key: its key
WITH
known AS (
    SELECT number_key, person_key
    FROM number_source
    UNION ALL
    -- a birth record that was replaced may tell a person's number that no row in force has
    SELECT number_key, person_key
    FROM number_link
    UNION ALL
    SELECT person_key, person_key
    FROM number_link
)

SELECT DISTINCT number_key, person_key
FROM known
WHERE number_key >= 0 AND check_of(number_key // 16) <> number_key % 16
