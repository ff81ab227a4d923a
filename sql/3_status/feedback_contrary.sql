-- title: 与部门数据矛盾的核实 / answers that a department's data contradict
-- grain: one row per such returned row
-- rules: LED-1, LED-7
-- joins: as written
-- columns:
--   source: whose data; which sources can contradict an answer, and after how many days, says code_reason_class
--
-- Being insured, or dead by a department's record, contradicts whatever says otherwise, also an answer that has expired.
-- All else is judged of answers in force, by deliveries newer than the visit and the days that news of the kind takes.
WITH
newest AS (
    SELECT source, max(delivery) AS delivery
    FROM staged_file
    GROUP BY source
),

claim AS (
    SELECT
        f.row_no,
        f.person_key,
        f.says,
        f.found_date,
        f.checked_after,
        f.checked_by,
        f.in_force,
        f.status,
        f.death_source,
        k.source_bits,
        f.in_custody,
        f.is_unpaid,
        f.resd_status
    FROM person_key AS k
    INNER JOIN (
        SELECT
            f.*,
            s.status,
            s.death_source,
            s.in_custody,
            s.is_unpaid,
            coalesce(s.resd_status, '1') AS resd_status
        FROM person_status AS s
        INNER JOIN feedback_row AS f ON s.person_key = f.person_key
        WHERE f.is_known_reason AND NOT list_contains(f.agrees, s.status)
    ) AS f ON k.person_key = f.person_key
),

-- an open claim and a source that can contradict it, where that source has delivered since
open_claim AS (
    SELECT c.*, n.source
    FROM claim AS c
    INNER JOIN newest AS n ON list_contains(c.checked_by, n.source) AND n.delivery > c.checked_after
    WHERE c.in_force
),

told AS (
    SELECT
        row_no,
        CASE WHEN status = 'elsewhere' THEN 'enrollment_elsewhere' ELSE 'enrollment' END AS source,
        1 AS rank_no
    FROM claim
    WHERE status IN ('staff', 'resident', 'elsewhere')
    UNION ALL
    SELECT row_no, death_source, 2
    FROM claim
    WHERE status = 'excluded_death'
    UNION ALL
    -- who is said to have left or to serve stands in the roster as before
    SELECT row_no, source, 3
    FROM open_claim
    WHERE
        source = 'population'
        AND says IN ('dead', 'gone', 'serving')
        AND source_bits & 1 <> 0
        AND resd_status = '1'
        AND NOT starts_with(status, 'excluded_')
    UNION ALL
    -- who is said to be here has left, or is where nobody visits
    SELECT row_no, source, 3
    FROM open_claim
    WHERE
        says = 'here'
        AND CASE status
            WHEN 'excluded_custody' THEN source = 'custody'
            ELSE starts_with(status, 'excluded_') AND source = 'population'
        END
    UNION ALL
    -- insured elsewhere in the city, and the whole city's enrollment knows no relation in force
    SELECT row_no, source, 4
    FROM open_claim
    WHERE source = 'enrollment' AND says = 'elsewhere' AND status = 'uninsured' AND NOT is_unpaid
    UNION ALL
    -- the platform knows the person, and that nothing is in force
    SELECT row_no, source, 4
    FROM open_claim
    WHERE
        source = 'enrollment_elsewhere' AND says = 'elsewhere' AND status = 'uninsured' AND source_bits & 32 <> 0
    UNION ALL
    -- the sentence that the records know is over
    SELECT row_no, source, 4
    FROM open_claim
    WHERE source = 'custody' AND says = 'serving' AND NOT in_custody AND source_bits & 1024 <> 0
    UNION ALL
    -- a dead person at school, with a new job, with a payment of a later day
    SELECT c.row_no, c.source, 5
    FROM student_person AS p
    INNER JOIN open_claim AS c ON p.person_key = c.person_key
    WHERE p.at_school AND c.source = 'student' AND c.says = 'dead'
    UNION ALL
    SELECT c.row_no, 'employment', 6
    FROM employment_row AS e
    INNER JOIN claim AS c ON e.person_key = c.person_key AND e.begn_date > c.found_date
    WHERE c.in_force AND c.says = 'dead' AND list_contains(c.checked_by, 'employment')
    UNION ALL
    SELECT c.row_no, 'tax_payment', 7
    FROM payment_row AS p
    INNER JOIN claim AS c ON p.person_key = c.person_key AND p.paid_date > c.found_date
    WHERE p.amount > 0 AND c.in_force AND c.says = 'dead' AND list_contains(c.checked_by, 'tax_payment')
)

SELECT row_no, source
FROM told
QUALIFY row_number() OVER (PARTITION BY row_no ORDER BY rank_no, source) = 1
