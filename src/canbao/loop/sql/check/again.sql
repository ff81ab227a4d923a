-- rows of a return that has waited for the township, against what stands now that it counts. A row that says the same as
-- another of its file, one that was refused, and one about somebody insured stay so.
-- grain: one row per returned row
WITH
compared AS (
    SELECT
        w.n,
        a.person_id IS NOT NULL AS is_known,
        coalesce(
            a.reason_code = w.reason_code AND a.found_date = w.found_date
            AND a.end_date IS NOT DISTINCT FROM w.end_date AND coalesce(a.note, '') = coalesce(w.note, ''),
            false
        ) AS is_same
    FROM waiting AS w
    LEFT JOIN standing AS a
        ON
            w.person_id = a.person_id AND w.division_code = a.division_code
            AND coalesce(w.batch_no, -1) = coalesce(a.batch_no, -1)
)

SELECT
    w.* EXCLUDE (state),
    CASE
        WHEN w.state IN ('refused', 'settled') OR list_contains(w.checks, 'repeated') THEN w.state
        WHEN c.is_same THEN 'same'
        WHEN c.is_known THEN 'changed'
        ELSE 'new'
    END AS state,
    w.state <> 'refused' AND NOT c.is_same
    AND NOT list_has_any(w.checks, ['repeated', 'settled_apart']) AS lands
FROM waiting AS w
INNER JOIN compared AS c ON w.n = c.n
ORDER BY w.n
