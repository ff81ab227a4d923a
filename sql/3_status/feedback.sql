-- title: 核实回收 / returned rows and what became of them
-- grain: one row per returned row
-- rules: LED-1
-- publish: batch_id, person_id, division_code, found_date, reason_code, end_date, effect, contradicted_by, row_code, why, other_division
-- columns:
--   batch_id: batch the list was sent out with
--   person_id: the person; null where the number or row code names nobody [sensitive]
--   division_code: who answered
--   reason_code: domain's reason codes
--   found_date: day of the visit
--   end_date: until when the answer holds
--   effect: stands, waits, expired, closed_insured, unknown_person, unknown_reason, disputed, superseded
--   contradicted_by: source whose data say otherwise
--   row_code: the row's code; of an answer by number, that of the row sent to this division or in this batch, if any
--   outcome: adopted, contradicted, not_adopted
--   why: in short why (code_feedback_why)
--   other_division: of a dispute the division whose answer disagrees, of a settled one the division that decided
SELECT
    f.batch_id,
    i.person_id,
    f.division_code,
    f.reason_code,
    f.found_date,
    f.end_date,
    f.effect,
    f.contradicted_by,
    f.row_code,
    f.outcome,
    f.why,
    f.other_division
FROM feedback_judged AS f
LEFT JOIN person_identity AS i ON f.person_key = i.person_key
