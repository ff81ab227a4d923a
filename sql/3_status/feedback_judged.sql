-- title: 核实结果的采纳情况 / what became of every returned row
-- grain: one row per returned row
-- rules: LED-1, LED-3
-- columns:
--   effect: stands, waits, expired, closed_insured, unknown_person, unknown_reason, disputed, superseded
--   why: code_feedback_why, which says the outcome too
WITH
found AS (
    SELECT
        f.*,
        s.status,
        coalesce(list_contains(f.agrees, s.status), false) AS is_confirmed,
        c.source AS contradicted_by,
        coalesce(list_contains(f.checked_by, c.source), false) AS is_contradicted,
        d.why AS given_way,
        d.other_division
    FROM feedback_row AS f
    LEFT JOIN person_status AS s ON f.person_key = s.person_key
    LEFT JOIN feedback_contrary AS c ON f.row_no = c.row_no
    LEFT JOIN feedback_dispute AS d ON f.row_no = d.row_no
),

decided AS (
    SELECT
        *,
        CASE
            WHEN person_key IS NULL THEN 'row_code_unknown'
            WHEN is_unheard_of THEN 'number_unknown'
            WHEN NOT is_known_reason THEN 'reason_unknown'
            WHEN is_confirmed AND is_done THEN 'confirmed'
            WHEN status IN ('staff', 'resident', 'elsewhere', 'attached_newborn')
                THEN CASE WHEN is_contradicted THEN 'contradicted_' || contradicted_by ELSE 'insured' END
            WHEN NOT is_done THEN 'future'
            WHEN given_way = 'superseded' THEN given_way
            WHEN NOT in_force THEN 'expired'
            WHEN contradicted_by IS NOT NULL THEN 'contradicted_' || contradicted_by
            WHEN status = 'out_of_scope' THEN 'out_of_scope'
            WHEN status <> 'uninsured' THEN 'excluded'
            WHEN given_way IS NOT NULL THEN given_way
            WHEN lacks_end THEN 'end_missing'
            WHEN waits THEN 'waits'
            ELSE 'adopted'
        END AS why
    FROM found
)

SELECT
    d.row_no,
    d.person_key,
    d.batch_id,
    d.row_code,
    d.division_code,
    d.reason_code,
    d.found_date,
    d.end_date,
    CASE
        WHEN d.why IN ('row_code_unknown', 'number_unknown') THEN 'unknown_person'
        WHEN d.why = 'reason_unknown' THEN 'unknown_reason'
        WHEN d.status IN ('staff', 'resident', 'elsewhere', 'attached_newborn') THEN 'closed_insured'
        WHEN d.why IN ('superseded', 'settled') THEN 'superseded'
        WHEN NOT d.in_force THEN 'expired'
        WHEN d.why = 'disputed' THEN 'disputed'
        WHEN d.waits AND d.contradicted_by IS NULL THEN 'waits'
        ELSE 'stands'
    END AS effect,
    d.contradicted_by,
    w.outcome,
    d.why,
    CASE WHEN d.why IN ('settled', 'disputed') THEN d.other_division END AS other_division,
    d.batch_no,
    d.serial,
    d.priority
FROM decided AS d
LEFT JOIN code_feedback_why AS w ON d.why = w.code
