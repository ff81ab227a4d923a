-- title: 重点人群标签 / groups a person belongs to
-- grain: one row per person with any group
-- rules: LED-4, AID-1
-- parts: computed
-- columns:
--   tag_bits: see code_group_tag_class
WITH
tagged AS (
    SELECT person_key, 1 AS bit FROM aid WHERE in_force
    UNION ALL
    SELECT person_key, 128 FROM aid WHERE in_force AND aid_type = '重残'
    UNION ALL
    SELECT person_key, CASE group_tag WHEN 'preschooler' THEN 16 WHEN 'pupil' THEN 32 ELSE 64 END
    FROM student_person
    WHERE at_school AND group_tag IS NOT NULL
    UNION ALL
    SELECT person_key, CASE kind WHEN 'unemployment' THEN 4 ELSE 512 END FROM employment_row
    UNION ALL
    SELECT o.person_key, 8
    FROM other_row AS o
    WHERE o.source = 'veteran'
    UNION ALL
    SELECT person_key, 256 FROM relation WHERE is_flexible AND NOT is_retired AND is_normal
    UNION ALL
    SELECT
        s.person_key,
        CASE WHEN s.brdy >= run.newborn_from AND s.brdy <= run.as_of THEN 2 ELSE 0 END
        | CASE WHEN s.in_scope AND NOT s.resd_in_city THEN 1024 ELSE 0 END
        | CASE WHEN s.is_separated THEN 2048 ELSE 0 END
        | CASE WHEN s.brdy <= run.as_of - INTERVAL 60 YEAR THEN 4096 ELSE 0 END
        | CASE WHEN s.resd_status = '6' THEN 8192 ELSE 0 END
        | CASE
            WHEN s.brdy > run.as_of - INTERVAL 6 YEAR AND s.brdy < run.newborn_from AND s.student_tag IS NULL THEN 16
            ELSE 0
        END
    FROM person_status AS s
    CROSS JOIN run
)

SELECT person_key, bit_or(bit)::INTEGER AS tag_bits
FROM tagged
WHERE bit > 0
GROUP BY person_key
