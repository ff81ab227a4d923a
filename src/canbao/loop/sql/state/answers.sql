-- The newest confirmed answer of each person and division; a row that repeats an earlier answer is that answer again.
-- at: the moment since which it counts, which of a return that the township lets pass is the township's.
-- Of some people only: by the index, whatever there is besides.
WITH asked AS (
    SELECT r.*, h.day, coalesce(h.decided_at, h.at) AS at
    FROM returned_row AS r
    INNER JOIN receipt AS h ON r.receipt_no = h.receipt_no
    WHERE
        :persons IS NULL AND h.state = 'confirmed' AND r.state IN ('new', 'changed', 'same')
        AND r.person_id IS NOT NULL
    UNION ALL
    SELECT r.*, h.day, coalesce(h.decided_at, h.at) AS at
    FROM json_each(:persons) AS p
    INNER JOIN returned_row AS r ON p.value = r.person_id
    INNER JOIN receipt AS h ON r.receipt_no = h.receipt_no
    WHERE h.state = 'confirmed' AND r.state IN ('new', 'changed', 'same')
),

given AS (
    SELECT
        r.person_id, r.row_code, r.batch_no, r.serial, r.division_code, r.reason_code, r.found_date, r.end_date,
        r.note, r.reporter, r.receipt_no, r.n, r.day, r.at,
        -- within a batch the later return takes the place of the earlier one, also where it corrects the day to an
        -- earlier one: so does the landing area (key of grid_feedback)
        row_number() OVER (
            PARTITION BY r.person_id, r.division_code, r.batch_no
            ORDER BY r.day DESC, r.at DESC, length(r.receipt_no) DESC, r.receipt_no DESC, r.n DESC
        ) AS nth
    FROM asked AS r
),

ranked AS (
    SELECT
        given.*,
        row_number() OVER (
            PARTITION BY person_id, division_code
            ORDER BY found_date DESC, day DESC, at DESC, length(receipt_no) DESC, receipt_no DESC, n DESC
        ) AS place
    FROM given
    WHERE nth = 1 OR batch_no IS NULL
)

SELECT
    person_id, row_code, batch_no, serial, division_code, reason_code, found_date, end_date, note, reporter,
    receipt_no, day
FROM ranked
WHERE place = 1
ORDER BY person_id, division_code
