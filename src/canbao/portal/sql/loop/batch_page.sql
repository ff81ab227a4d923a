-- A page of batches, those of the newest round first, each with how many batches there are in all. `done`: those that
-- have nobody left to ask, as the last night found.
WITH chosen AS (
    SELECT *
    FROM batch AS b
    WHERE
        (:divisions IS NULL OR b.division_code IN (SELECT value FROM json_each(:divisions)))
        AND (:round_no IS NULL OR b.round_no = :round_no)
        AND CASE :show
            WHEN 'recalled' THEN b.state = 'recalled'
            WHEN 'all' THEN true
            WHEN 'zero' THEN b.state = 'open' AND b.kind = 'zero' AND b.zero_at IS NULL
            WHEN 'none' THEN b.state = 'open' AND b.kind = 'zero' AND b.zero_at IS NOT NULL
            WHEN 'missing' THEN b.state = 'open' AND b.kind = 'list'
            WHEN 'overdue' THEN b.state = 'open' AND b.kind = 'list' AND b.due < :today
            ELSE b.state = 'open' AND b.kind = 'list'
        END
        AND (
            :show NOT IN ('missing', 'overdue')
            OR b.batch_no NOT IN (SELECT value FROM json_each(:done)) AND b.rows > (
                SELECT count(DISTINCT r.serial)
                FROM returned_row AS r
                INNER JOIN receipt AS h ON r.receipt_no = h.receipt_no
                WHERE
                    r.batch_no = b.batch_no AND h.state = 'confirmed'
                    AND (b.level < 4 OR r.division_code = b.division_code)
                    AND r.state IN ('new', 'changed', 'same', 'settled')
            )
        )
)

SELECT
    batch_no,
    round_no,
    count(*) OVER () AS batches,
    sum(rows) OVER () AS people
FROM chosen
ORDER BY round_no DESC, batch_no
LIMIT :size OFFSET :skip;
