-- What the publication made of returned rows. grain: one row per row of `returned`.
-- A row is found again by its code or its person, its division, its reason and its day; the same answer of an earlier
-- receipt counts for a row that only repeats it. Where the division has another answer by now, that one replaced it.
WITH
published AS (
    SELECT * FROM feedback
    WHERE
        row_code IN (SELECT r.row_code FROM returned AS r)
        OR person_id IN (SELECT r.person_id FROM returned AS r)
),

candidate AS (
    SELECT r.n, p.*, 0 AS by_person
    FROM returned AS r
    INNER JOIN published AS p ON r.row_code = p.row_code AND r.division_code = p.division_code
    UNION ALL
    SELECT r.n, p.*, 1
    FROM returned AS r
    INNER JOIN published AS p ON r.person_id = p.person_id AND r.division_code = p.division_code
),

nearest AS (
    SELECT
        c.*,
        r.reason_code = c.reason_code AND (r.found_date = c.found_date OR r.state = 'same') AS is_own,
        row_number() OVER (
            PARTITION BY r.n
            ORDER BY
                (r.reason_code = c.reason_code)::INTEGER + (r.found_date = c.found_date)::INTEGER DESC,
                (r.end_date IS NOT DISTINCT FROM c.end_date) DESC,
                c.by_person,
                c.found_date DESC,
                c.batch_id DESC
        ) AS rank_no
    FROM candidate AS c
    INNER JOIN returned AS r ON c.n = r.n
),

told AS (
    SELECT
        r.n,
        r.row_code,
        CASE
            WHEN c.is_own THEN c.why
            -- somebody insured when it came back; an answer with a fault needed no correction and was not passed on, so that
            -- it is none of those that the night counts
            WHEN r.is_apart THEN 'insured_apart'
            WHEN r.state = 'settled' THEN 'insured'
            WHEN c.n IS NOT NULL THEN 'superseded'
            ELSE 'not_counted'
        END AS why,
        CASE WHEN c.is_own THEN c.other_division END AS other_division
    FROM returned AS r
    LEFT JOIN nearest AS c ON r.n = c.n AND c.rank_no = 1
)

SELECT
    t.n::INTEGER AS n,
    t.row_code,
    w.outcome,
    t.why,
    replace(
        w.told,
        '{division}',
        CASE WHEN d.level > 2 THEN coalesce(u.division_name, '') ELSE '' END || coalesce(d.division_name, '其他单位')
    ) AS words
FROM told AS t
LEFT JOIN code_feedback_why AS w ON t.why = w.code
LEFT JOIN division AS d ON t.other_division = d.division_code
LEFT JOIN division AS u ON d.parent_code = u.division_code
ORDER BY t.n
