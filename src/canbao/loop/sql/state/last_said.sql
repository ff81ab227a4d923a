-- What each division last returned about these people, counted or still waiting for the township, which comes after what
-- counts: by person, division and batch.
WITH said AS (
    SELECT
        r.*,
        row_number() OVER (
            PARTITION BY r.person_id, r.division_code, r.batch_no
            ORDER BY
                (h.state = 'waiting') DESC, h.day DESC, coalesce(h.decided_at, h.at) DESC,
                length(r.receipt_no) DESC, r.receipt_no DESC, r.n DESC
        ) AS place
    FROM json_each(:persons) AS p
    INNER JOIN returned_row AS r ON p.value = r.person_id
    INNER JOIN receipt AS h ON r.receipt_no = h.receipt_no
    WHERE h.state IN ('confirmed', 'waiting') AND r.state IN ('new', 'changed', 'same', 'settled')
)

SELECT * FROM said WHERE place = 1
