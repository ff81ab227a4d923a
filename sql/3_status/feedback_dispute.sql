-- title: 答复分歧 / answers that contradict each other, or that a later or higher answer replaced
-- grain: one row per returned row that does not stand for such a reason
-- rules: LED-3
-- columns:
--   why: superseded (the same division answered later), settled (a common superior decided otherwise), disputed
--   other_division: whose answer it is that this one gave way to or disagrees with
--
-- Answers of divisions that contradict (code_reason_conflict) wait for the lowest division that both lie in, or one
-- above it: its answer, not older than either, settles them. Of one division the newest answer speaks; the same answer
-- twice is one.
WITH
answer AS (
    SELECT
        f.*,
        first_value(hash(f.found_date, f.reason_code, f.end_date)) OVER (
            PARTITION BY f.person_key, f.place_code ORDER BY f.found_date DESC, f.row_no DESC
        ) = hash(f.found_date, f.reason_code, f.end_date) AS is_newest
    FROM feedback_row AS f
    WHERE f.person_key IS NOT NULL AND f.is_known_reason AND f.is_done
),

standing AS (
    SELECT a.*, count(*) OVER (PARTITION BY a.person_key) AS answers
    FROM answer AS a
    INNER JOIN person_status AS s ON a.person_key = s.person_key AND s.status = 'uninsured'
    LEFT JOIN feedback_contrary AS c ON a.row_no = c.row_no
    WHERE a.is_newest AND a.in_force AND c.row_no IS NULL
),

opposed AS (
    SELECT says_a AS says, says_b AS against FROM code_reason_conflict
    UNION
    SELECT says_b, says_a FROM code_reason_conflict
),

-- both sides of a dispute see it
pair AS (
    SELECT
        a.row_no,
        a.person_key,
        a.says,
        b.row_no AS other_no,
        b.place_code AS other_place,
        greatest(a.found_date, b.found_date) AS newer_date,
        [a.l1, a.l2, a.l3, a.l4] AS above,
        [b.l1, b.l2, b.l3, b.l4] AS other_above
    FROM standing AS a
    INNER JOIN standing AS b ON a.person_key = b.person_key AND a.row_no <> b.row_no
    INNER JOIN opposed AS o ON a.says = o.says AND b.says = o.against
    WHERE a.answers > 1
),

settled AS (
    SELECT
        p.row_no,
        p.other_no,
        p.says,
        s.row_no AS settled_no,
        s.place_code AS settled_place,
        s.says AS settled_says
    FROM pair AS p
    INNER JOIN standing AS s ON p.person_key = s.person_key AND p.newer_date <= s.found_date
    WHERE list_contains(p.above, s.place_code) AND list_contains(p.other_above, s.place_code)
    QUALIFY row_number() OVER (
        PARTITION BY p.row_no, p.other_no ORDER BY s.found_date DESC, s.place_level, s.row_no DESC
    ) = 1
),

overruled AS (
    SELECT s.row_no, min(s.settled_place) AS settled_place
    FROM settled AS s
    INNER JOIN opposed AS o ON s.says = o.says AND s.settled_says = o.against
    GROUP BY s.row_no
),

disputed AS (
    SELECT p.row_no, min(p.other_place) AS other_place
    FROM pair AS p
    LEFT JOIN settled AS s ON p.row_no = s.row_no AND p.other_no = s.other_no
    LEFT JOIN overruled AS u ON p.row_no = u.row_no
    LEFT JOIN overruled AS v ON p.other_no = v.row_no
    WHERE s.row_no IS NULL AND u.row_no IS NULL AND v.row_no IS NULL
    GROUP BY p.row_no
)

SELECT row_no, person_key, 'superseded' AS why, place_code AS other_division
FROM answer
WHERE NOT is_newest
UNION ALL
SELECT o.row_no, f.person_key, 'settled', o.settled_place
FROM overruled AS o
INNER JOIN feedback_row AS f ON o.row_no = f.row_no
UNION ALL
SELECT d.row_no, f.person_key, 'disputed', d.other_place
FROM disputed AS d
INNER JOIN feedback_row AS f ON d.row_no = f.row_no
