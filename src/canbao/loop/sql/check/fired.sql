-- the checks that a returned row does not pass, or that have something to say of it. Limits and clashes are data
-- (codes/feedback_limit.csv, codes/feedback_clash.csv). grain: one row per returned row and check
WITH
-- a person may be told by name only to who may see that person: everything below asks `found` rows alone
found AS (
    SELECT *
    FROM claim
    WHERE person_id IS NOT NULL
),

measured AS (
    SELECT n, reason_code, 'age' AS measure, age_on(brdy, coalesce(found_on, received_on)) AS value FROM found
    UNION ALL
    SELECT n, reason_code, 'note_signs', length(regexp_replace(coalesce(note, ''), '[\s\x{3000}]', '', 'g')) FROM found
    UNION ALL
    SELECT n, reason_code, 'months_paid_after', month_no(paid_to::INTEGER) - date_month_no(found_on) FROM found
    UNION ALL
    SELECT n, reason_code, 'end_days', ends_on - found_on FROM found
    UNION ALL
    SELECT n, reason_code, 'found_days', received_on - found_on FROM found
    UNION ALL
    SELECT n, reason_code, 'sent_days', found_on - sent_on FROM found
),

-- what others say of the same person: answers in force, and other rows of this file
other_say AS (
    SELECT f.n, q.says
    FROM found AS f
    INNER JOIN answer AS a ON f.person_id = a.person_id AND f.division_code <> a.division_code
    INNER JOIN code_reason_class AS q ON a.reason_code = q.code
    WHERE
        coalesce(a.end_date, (a.found_date + try_cast(q.holds_days AS INTEGER))::DATE, f.received_on) >= f.received_on
    UNION ALL
    SELECT f.n, o.says
    FROM found AS f
    INNER JOIN found AS o ON f.person_id = o.person_id AND f.division_code <> o.division_code
)

SELECT n, 'formula' AS code FROM returned WHERE has_formula
UNION ALL
SELECT n, 'row_code_damaged' FROM returned WHERE has_code AND code IS NULL
UNION ALL
SELECT n, 'not_in_batch' FROM claim WHERE code IS NOT NULL AND NOT is_coded
UNION ALL
-- a dispute outlives the batch that it arose in: who settles it answers no batch
SELECT n, 'batch_recalled' FROM claim WHERE batch_state = 'recalled' AND as_division IS NULL
UNION ALL
SELECT n, 'person_missing' FROM returned WHERE NOT has_code AND certno IS NULL AND NOT certno_damaged
UNION ALL
SELECT n, 'certno_damaged' FROM returned WHERE NOT has_code AND certno_damaged
UNION ALL
SELECT n, 'person_unknown' FROM claim WHERE NOT has_code AND certno IS NOT NULL AND person_id IS NULL
UNION ALL
-- of a masked number what can be seen is compared; what a spreadsheet made of a number says nothing
SELECT n, 'certno_other'
FROM found
WHERE
    is_coded AND sent_certno IS NOT NULL AND CASE
        WHEN has_18_form(certno) OR has_15_form(certno)
            THEN number_key(certno) <> number_key(sent_certno) AND named_person IS DISTINCT FROM person_id
        WHEN regexp_full_match(certno_shown, '[0-9]*[*]+[0-9]*X?')
            THEN NOT regexp_full_match(sent_certno, regexp_replace(certno_shown, '[*]+', '.*'))
    END
UNION ALL
SELECT n, 'name_other'
FROM found
WHERE
    psn_name IS NOT NULL AND coalesce(sent_name, own_name) IS NOT NULL
    AND NOT coalesce(same_person_name(psn_name, sent_name), false)
    AND NOT coalesce(same_person_name(psn_name, own_name), false)
UNION ALL
SELECT n, 'batch_missing' FROM found WHERE NOT is_coded AND batch_id IS NULL
UNION ALL
SELECT n, 'division_missing' FROM found WHERE division_code IS NULL AND division_text IS NULL
UNION ALL
SELECT n, 'division_unreadable' FROM found WHERE division_code IS NULL AND division_text IS NOT NULL
UNION ALL
SELECT f.n, 'not_own_division'
FROM found AS f
LEFT JOIN scope AS c ON f.division_code = c.division_code
WHERE f.division_code IS NOT NULL AND NOT coalesce(c.may, false)
UNION ALL
SELECT n, 'reason_missing' FROM found WHERE reason_text IS NULL AND reason_code IS NULL
UNION ALL
SELECT n, 'reason_unknown' FROM found WHERE reason_text IS NOT NULL AND NOT is_known_reason
UNION ALL
SELECT f.n, 'reason_not_offered'
FROM found AS f
CROSS JOIN sender AS w
WHERE f.is_known_reason AND NOT list_contains(w.reasons, f.reason_code)
UNION ALL
SELECT n, 'found_missing' FROM found WHERE found_on IS NULL AND found_text IS NULL
UNION ALL
SELECT n, 'found_unreadable' FROM found WHERE found_on IS NULL AND found_text IS NOT NULL
UNION ALL
SELECT n, 'found_future' FROM found WHERE found_on > received_on
UNION ALL
SELECT n, 'found_before_birth' FROM found WHERE found_on < brdy
UNION ALL
SELECT n, 'end_missing' FROM found WHERE needs_end AND ends_on IS NULL AND end_text IS NULL
UNION ALL
SELECT n, 'end_unreadable' FROM found WHERE ends_on IS NULL AND end_text IS NOT NULL
UNION ALL
SELECT n, 'end_before_found' FROM found WHERE ends_on < found_on
UNION ALL
SELECT m.n, l."check"
FROM measured AS m
INNER JOIN code_feedback_limit AS l
    ON
        m.measure = l.measure
        AND (l.reasons IS NULL OR list_contains(string_split(l.reasons, '|'), coalesce(m.reason_code, '')))
WHERE (m.value < l.low::INTEGER OR m.value > l.high::INTEGER) AND l."check" <> 'explanation'
UNION ALL
SELECT m.n, 'explanation'
FROM measured AS m
INNER JOIN code_feedback_limit AS l ON m.measure = l.measure
WHERE m.value >= l.low::INTEGER AND l."check" = 'explanation'
UNION ALL
SELECT f.n, c."check"
FROM found AS f
INNER JOIN code_feedback_clash AS c ON f.insured_status = c.status AND f.says = c.says
UNION ALL
SELECT n, 'settled' FROM found WHERE is_insured
UNION ALL
SELECT n, 'already_gone' FROM found WHERE NOT is_insured AND insured_status <> 'uninsured'
UNION ALL
SELECT n, 'end_past' FROM found WHERE ends_on < received_on AND ends_on >= found_on
UNION ALL
SELECT n, 'batch_other' FROM found WHERE is_coded AND batch_said <> batch_no
UNION ALL
SELECT n, 'division_other' FROM found WHERE is_coded AND division_said <> sent_division
UNION ALL
SELECT n, 'not_dispatched' FROM found WHERE NOT is_coded AND batch_no IS NULL
UNION ALL
SELECT DISTINCT f.n, 'older'
FROM found AS f
INNER JOIN answer AS a ON f.person_id = a.person_id AND f.division_code = a.division_code
WHERE a.found_date > f.found_on
UNION ALL
SELECT DISTINCT o.n, 'conflicting'
FROM other_say AS o
INNER JOIN claim AS f ON o.n = f.n
INNER JOIN conflict AS k ON f.says = k.says_a AND o.says = k.says_b
