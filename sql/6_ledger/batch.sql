-- title: 下发批次 / batches that were sent out and what came back
-- grain: one row per batch sent out by the as-of date
-- rules: LED-3
-- publish: batch_id
-- columns:
--   batch_id: number of the batch
--   round_no: the order by which it was sent
--   division_code: village or township that it was sent to
--   division_name: its name
--   level: 3 township, 4 village
--   kind: list, or zero where there was nobody to ask
--   sent: day it was sent
--   due: day by which answers are due
--   dispatched: rows sent; returned + outstanding
--   returned: rows answered; adopted + contradicted + not_adopted
--   adopted: answers that count
--   contradicted: answers that a department's data contradict
--   not_adopted: answers that do not count for another reason, the disputed ones among them
--   disputed: of not_adopted, answers that contradict another division's and wait for a common superior
--   closed: of not_adopted, answers about people insured meanwhile (已核实参保、无需填报)
--   outstanding: rows without an answer
--   overdue: of outstanding, those whose day has passed and whose people are still uninsured; none of a recalled batch
--   enrolled_since: rows whose people are insured now, answered or not
--   zero_confirmed: whether the division confirmed that there is nobody to ask; null for a list
--   state: open, complete (every row answered, or the zero confirmed), recalled
WITH
counted AS (
    SELECT
        batch_no,
        count(*) FILTER (is_answered) AS returned,
        count(*) FILTER (outcome = 'adopted') AS adopted,
        count(*) FILTER (outcome = 'contradicted') AS contradicted,
        count(*) FILTER (outcome = 'not_adopted') AS not_adopted,
        count(*) FILTER (why = 'disputed') AS disputed,
        count(*) FILTER (why = 'insured') AS closed,
        count(*) FILTER (NOT is_answered) AS outstanding,
        count(*) FILTER (is_overdue) AS overdue,
        count(*) FILTER (is_insured) AS enrolled_since
    FROM sent_answer
    GROUP BY batch_no
)

SELECT
    b.batch_id,
    b.round_no,
    b.division_code,
    d.division_name,
    b.level,
    b.kind,
    b.sent,
    b.due,
    b.rows::BIGINT AS dispatched,
    coalesce(c.returned, 0) AS returned,
    coalesce(c.adopted, 0) AS adopted,
    coalesce(c.contradicted, 0) AS contradicted,
    coalesce(c.not_adopted, 0) AS not_adopted,
    coalesce(c.disputed, 0) AS disputed,
    coalesce(c.closed, 0) AS closed,
    coalesce(c.outstanding, 0) AS outstanding,
    coalesce(c.overdue, 0) AS overdue,
    coalesce(c.enrolled_since, 0) AS enrolled_since,
    CASE WHEN b.kind = 'zero' THEN b.zero_on IS NOT NULL END AS zero_confirmed,
    CASE
        WHEN b.is_recalled THEN 'recalled'
        WHEN b.kind = 'zero' AND b.zero_on IS NULL THEN 'open'
        WHEN coalesce(c.outstanding, 0) = 0 THEN 'complete'
        ELSE 'open'
    END AS state
FROM sent_batch AS b
LEFT JOIN counted AS c ON b.batch_no = c.batch_no
LEFT JOIN division_known AS d ON b.division_code = d.division_code
