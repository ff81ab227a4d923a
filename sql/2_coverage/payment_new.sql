-- title: 上次发布后新到的缴费 / payments that the previous publication had not read
-- grain: one row per person with a payment out of a file that the previous publication had not read
-- rules: LED-2
-- columns:
--   resident_paid_no, staff_paid_no: row_no of a new payment for the insured year; for the as-of month or the one before it
--   resident_back_no, staff_back_no: likewise of a refund, a reversal or a correction to nothing
--   any_no: row_no of any new payment
WITH
new_file AS (
    SELECT f.file_no
    FROM staged_file AS f
    CROSS JOIN previous_run
    LEFT JOIN previous_file AS p ON f.sha256 = p.sha256 AND f.source = p.source
    WHERE f.source = 'tax_payment' AND p.sha256 IS NULL
),

placed AS (
    SELECT
        p.person_key,
        p.row_no,
        p.amount > 0 AS is_paid,
        NOT p.is_staff AND run.year_first_month <= p.end_no AND run.year_last_month >= p.begn_no AS is_resident,
        p.is_staff AND run.as_of_month - 1 <= p.end_no AND run.as_of_month >= p.begn_no AS is_staff
    FROM payment_row AS p
    CROSS JOIN run
    WHERE
        -- file and line of a row are one number
        p.row_no // 4294967296 IN (SELECT file_no FROM new_file)
        AND p.is_staff IS NOT NULL
        AND NOT p.is_repair
)

SELECT
    person_key,
    min(CASE WHEN is_resident AND is_paid THEN row_no END) AS resident_paid_no,
    min(CASE WHEN is_resident AND NOT is_paid THEN row_no END) AS resident_back_no,
    min(CASE WHEN is_staff AND is_paid THEN row_no END) AS staff_paid_no,
    min(CASE WHEN is_staff AND NOT is_paid THEN row_no END) AS staff_back_no,
    min(row_no) AS any_no
FROM placed
GROUP BY person_key
