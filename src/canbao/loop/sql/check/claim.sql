-- who each row of a returned file is about, and for which division it speaks. What lies outside the scope of the person
-- who returned it is as if it did not exist (contract section 4). grain: one row per returned row
WITH
by_code AS (
    SELECT r.n, s.row_code, s.batch_no, s.serial, s.person_id, s.division_code
    FROM returned AS r
    INNER JOIN sent AS s ON r.code = s.row_code
    INNER JOIN scope AS c ON s.division_code = c.division_code
    WHERE c.may
),

named AS (
    SELECT a.n, min(f.person_id) AS person_id
    FROM asked_number AS a
    INNER JOIN fact_number AS f ON a.value = f.value
    GROUP BY a.n
),

-- somebody of one's own places; for whom everything is in scope, anybody
own_person AS (
    SELECT DISTINCT p.person_id
    FROM fact_place AS p
    INNER JOIN scope AS c ON p.division_code = c.division_code
    WHERE c.may
    UNION
    SELECT p.person_id
    FROM fact_person AS p
    CROSS JOIN sender AS w
    WHERE w.may_all
),

-- rows that were sent to divisions in the scope: nobody answers another's row
own_sent AS (
    SELECT s.*
    FROM sent AS s
    INNER JOIN scope AS c ON s.division_code = c.division_code
    WHERE c.may
),

-- of a number the row that the answering division itself was sent in the batch that is named, if any
by_number AS (
    SELECT r.n, s.row_code, s.batch_no, s.serial, m.person_id, s.division_code
    FROM returned AS r
    INNER JOIN named AS m ON r.n = m.n
    INNER JOIN own_person AS o ON m.person_id = o.person_id
    LEFT JOIN own_sent AS s
        ON
            r.batch_said = s.batch_no AND m.person_id = s.person_id
            AND (r.division_text IS NULL OR r.division_said = s.division_code)
    WHERE NOT r.has_code
    QUALIFY row_number() OVER (PARTITION BY r.n ORDER BY s.serial) = 1
),

matched AS (
    SELECT *, true AS is_coded FROM by_code
    UNION ALL
    SELECT *, false AS is_coded FROM by_number
)

SELECT
    r.*,
    coalesce(m.is_coded, false) AS is_coded,
    m.row_code,
    m.batch_no,
    coalesce(b.batch_id, CASE WHEN NOT r.has_code THEN r.batch_text END) AS batch_id,
    m.serial,
    m.person_id,
    -- a number that was sent with a code is found again by the code: then nothing else needs to be kept of it
    CASE WHEN m.row_code IS NULL THEN r.certno END AS kept_certno,
    m.division_code AS sent_division,
    coalesce(
        r.as_division,
        CASE WHEN m.is_coded THEN m.division_code END,
        r.division_said,
        m.division_code,
        CASE WHEN r.division_text IS NULL THEN w.division_code END
    ) AS division_code,
    b.state AS batch_state,
    b.sent AS sent_on,
    s.psn_name AS sent_name,
    s.certno AS sent_certno,
    p.psn_name AS own_name,
    p.insured_status,
    coalesce(p.is_insured, false) AS is_insured,
    coalesce(p.brdy, s.brdy) AS brdy,
    d.paid_to,
    n.person_id AS named_person,
    q.says,
    coalesce(q.needs_end = 'true', false) AS needs_end,
    q.code IS NOT NULL AS is_known_reason
FROM returned AS r
CROSS JOIN sender AS w
LEFT JOIN matched AS m ON r.n = m.n
LEFT JOIN sent AS s ON m.row_code = s.row_code
LEFT JOIN batch AS b ON m.batch_no = b.batch_no
LEFT JOIN fact_person AS p ON m.person_id = p.person_id
LEFT JOIN fact_paid AS d ON m.person_id = d.person_id
LEFT JOIN named AS n ON r.n = n.n
LEFT JOIN code_reason_class AS q ON r.reason_code = q.code
