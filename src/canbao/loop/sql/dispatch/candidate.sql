-- Who may be asked about where: uninsured people of the asked division who meet the filters, per batch division.
-- People without a village go to their township; without a township nobody can be asked (batch_division null), and of
-- those who are registered and live outside (students from elsewhere) only the city as a whole can be told.
WITH
here AS (
    SELECT
        r.person_id,
        r.division_code,
        r.role,
        CASE WHEN d.level >= 3 THEN d.l3 END AS l3,
        CASE WHEN asked.level = 4 AND d.level = 4 THEN d.division_code WHEN d.level >= 3 THEN d.l3 END AS batch_division
    FROM responsibility AS r
    CROSS JOIN asked
    INNER JOIN division AS d ON r.division_code = d.division_code
    WHERE d.tree_no BETWEEN asked.tree_first AND asked.tree_last AND (asked.role IS NULL OR r.role = asked.role)
    UNION ALL
    SELECT u.person_id, NULL, NULL, NULL, NULL
    FROM uninsured AS u
    CROSS JOIN asked
    INNER JOIN division AS d ON d.level = 1 AND asked.tree_first = d.tree_no
    LEFT JOIN responsibility AS r ON u.person_id = r.person_id
    WHERE r.person_id IS NULL AND asked.role IS NULL
)

SELECT h.*, u.household_no, u.priority
FROM here AS h
CROSS JOIN asked
INNER JOIN uninsured AS u ON h.person_id = u.person_id
WHERE
    (asked.reasons IS NULL OR list_contains(asked.reasons, u.uninsured_reason))
    AND (asked.tags IS NULL OR list_has_any(asked.tags, u.group_tags))
    AND (asked.age_from IS NULL OR u.age >= asked.age_from)
    AND (asked.age_to IS NULL OR u.age <= asked.age_to)
    AND (asked.priority_to IS NULL OR u.priority <= asked.priority_to)
    AND (asked.answers IS NULL OR list_contains(asked.answers, coalesce(u.feedback_reason, '-')))
    AND (asked.separated IS NULL OR coalesce(u.separated, false) = asked.separated)
-- One township is asked once about a person who has both villages in it.
QUALIFY row_number() OVER (PARTITION BY h.person_id, h.batch_division ORDER BY h.role, h.division_code) = 1
