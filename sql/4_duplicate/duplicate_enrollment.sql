-- title: 重复参保 / duplicate enrollment
-- grain: one row per overlapping pair of relations of one person
-- rules: DUP-1, DUP-2, DUP-3, DUP-5, RET-1, RET-2, RET-3, RET-4, RET-5, RET-6, RET-7, RET-8, RET-9, RET-10, FIN-1, FIN-2, FIN-3, REF-1, REF-2, REF-3
-- publish: person_id, rlts_a, rlts_b
-- joins: as written
-- columns:
--   group_id: all pairs of one person
--   person_id: the person [sensitive]
--   certno: number in force [sensitive]
--   kind: staff_staff, resident_resident, staff_resident
--   state: current where a month up to the as-of month overlaps, else prospective
--   rlts_a: the relation that comes first in text order
--   rlts_b: the other one
--   overlap_begn: first month that both cover, YYYYMM
--   overlap_end: last one
--   overlap_months: how many
--   keep_rlts: relation to keep; null where nobody may decide for the person
--   drop_rlts: relation to give up
--   action: terminate, suspend, choose, review
--   needs_review: a person of the bureau has to look
--   rule_id: rule that decided
--   clause: its document and clause
--   cause: school, residence, employment, flexible, identity
--   staff_months: unbroken paid staff months (RET-4)
--   subsidy_year: year whose subsidy is at stake; null where no resident relation is dropped
--   subsidy_deduct_amt: yuan to deduct for the dropped relation; null where no document gives the year's subsidy
--   deduct_rule: FIN-1, FIN-3; FIN-2 where nothing is deducted because of it; null where nothing is terminated
--   refund: yes, no, manual; null where no paid resident relation is dropped
--   refund_rule: REF-1, REF-2 or REF-3
--   notify_admdvs: place that has to act
--   psn_name_a: name in the first record [sensitive]
--   psn_name_b: name in the second one [sensitive]
--   insutype_a: its insurance type
--   insutype_b: its insurance type
--   insu_admdvs_a: its place as delivered
--   insu_admdvs_b: its place as delivered
--   evidence: what the decision rests on
WITH
relation_file AS (
    -- of the two sources alone, one by one: files of others do not matter here
    SELECT file_no, file FROM staged_file WHERE source = 'enrollment'
    UNION ALL
    SELECT file_no, file FROM staged_file WHERE source = 'enrollment_elsewhere'
),

paired AS (
    SELECT
        p.person_key,
        p.no_a,
        p.no_b,
        p.kind,
        p.overlap_bits,
        p.name_conflict,
        run.span_first_month + first_bit(p.overlap_bits) AS first_no,
        run.span_first_month + last_bit(p.overlap_bits) AS last_no,
        bit_count(p.overlap_bits)::INTEGER AS overlap_months,
        g.* EXCLUDE (person_key),
        coalesce(m.staff_months, 0) AS staff_months,
        -- one relation for the whole group: staff before resident, nobody where the person chooses
        CASE
            WHEN g.staff_relations > 0 AND g.resident_relations > 0
                THEN CASE WHEN NOT g.has_flexible THEN g.staff_keep END
            WHEN g.staff_relations > 0 THEN g.staff_keep
            ELSE g.resident_keep
        END AS group_keep
    FROM duplicate_pair AS p
    CROSS JOIN run
    INNER JOIN duplicate_group AS g ON p.person_key = g.person_key
    LEFT JOIN staff_months AS m ON p.person_key = m.person_key
),

short_job AS (
    -- staff relations by short contracts in force, and no longer one: with the same employer where both name one
    SELECT t.row_no
    FROM employment_row AS e
    CROSS JOIN run
    INNER JOIN duplicate_relation AS t ON e.person_key = t.person_key
    WHERE
        e.kind = 'contract' AND (e.uscc IS NULL OR t.uscc IS NULL OR e.uscc = t.uscc)
    GROUP BY t.row_no
    HAVING bool_and(coalesce(e.end_date < e.begn_date + to_months(run.short_term_months), false))
),

crossed AS (
    SELECT
        p.*,
        CASE WHEN a.system = 'staff' THEN p.no_a ELSE p.no_b END AS staff_no,
        CASE WHEN a.system = 'staff' THEN p.no_b ELSE p.no_a END AS resident_no,
        CASE
            WHEN p.kind = 'staff_staff' THEN p.staff_keep
            WHEN p.kind = 'resident_resident' THEN p.resident_keep
        END AS own_keep
    FROM paired AS p
    INNER JOIN duplicate_relation AS a ON p.no_a = a.row_no
),

beside_job AS (
    -- resident years beside a staff relation, and from when they give benefits, waiting left aside
    SELECT
        rel_no,
        year,
        benefit_from(paid_date, year) AS benefit_from
    FROM resident_year
    WHERE rel_no IN (SELECT resident_no FROM crossed WHERE kind = 'staff_resident')
),

ruled AS (
    SELECT
        c.*,
        CASE
            WHEN c.is_dead OR c.name_conflict THEN 'RET-10'
            WHEN c.kind = 'resident_resident' AND c.by_school THEN 'RET-3'
            WHEN c.kind = 'resident_resident' THEN 'RET-2'
            WHEN c.kind = 'staff_staff' THEN 'RET-1'
            WHEN c.has_flexible THEN 'RET-6'
            WHEN c.staff_months >= run.retention_staff_months THEN 'RET-4'
            WHEN s.is_college AND s.school_place6 = r.place6 THEN 'RET-9'
            -- joined within the benefit period of the resident insurance
            WHEN
                j.row_no IS NOT NULL AND r.begn_date < t.begn_date
                AND (
                    r.is_elsewhere
                    OR coalesce(b.benefit_from <= t.begn_date, year(t.begn_date) < run.insured_year - 1)
                )
                THEN 'RET-8'
            ELSE 'RET-7'
        END AS rule_id,
        CASE
            WHEN c.has_flexible AND c.staff_relations > 0 AND c.resident_relations > 0 THEN c.own_keep
            ELSE c.group_keep
        END AS keep_no,
        s.is_college,
        s.enroll_date,
        s.school_admdvs
    FROM crossed AS c
    CROSS JOIN run
    LEFT JOIN student_person AS s ON c.person_key = s.person_key
    LEFT JOIN short_job AS j ON c.staff_no = j.row_no
    LEFT JOIN duplicate_relation AS r ON c.resident_no = r.row_no
    LEFT JOIN duplicate_relation AS t ON c.staff_no = t.row_no
    LEFT JOIN beside_job AS b ON c.resident_no = b.rel_no AND year(t.begn_date) = b.year
),

acted AS (
    SELECT
        *,
        CASE
            WHEN rule_id = 'RET-10' THEN 'review'
            WHEN rule_id = 'RET-6' THEN 'choose'
            WHEN keep_no IS NULL THEN 'review'
            WHEN rule_id IN ('RET-7', 'RET-8', 'RET-9') THEN 'suspend'
            ELSE 'terminate'
        END AS action
    FROM ruled
),

settled AS (
    SELECT
        *,
        CASE WHEN action IN ('terminate', 'suspend') AND keep_no IN (no_a, no_b) THEN keep_no END AS kept_no,
        CASE
            WHEN action IN ('terminate', 'suspend') AND keep_no = no_a THEN no_b
            WHEN action IN ('terminate', 'suspend') AND keep_no = no_b THEN no_a
        END AS dropped_no,
        last_no // 12 AS overlap_year
    FROM acted
),

dropped_year AS (
    SELECT rel_no, year, paid_date, amount
    FROM resident_year
    WHERE rel_no IN (SELECT dropped_no FROM settled WHERE dropped_no IS NOT NULL)
),

moneyed AS (
    SELECT
        s.*,
        f.live_code,
        d.psn_insu_rlts_id AS drop_rlts,
        d.insu_admdvs AS drop_admdvs,
        d.system AS drop_system,
        CASE WHEN d.system = 'resident' THEN s.overlap_year END AS subsidy_year,
        y.subsidy_amt,
        -- FIN-1 for resident duplicates but those of college students in the year they entered (FIN-2), FIN-3 across systems
        coalesce(s.action = 'terminate' AND d.system = 'resident', false)
        AND NOT (
            s.kind = 'resident_resident' AND coalesce(s.is_college AND year(s.enroll_date) = s.overlap_year, false)
        ) AS is_deducted,
        d.is_elsewhere AS drop_elsewhere,
        CASE
            WHEN d.is_elsewhere THEN d.begn_date
            -- a newborn from birth where born in the year or its window, else from 1 January (contract 3.5)
            WHEN date_diff('day', f.brdy, m.paid_date) <= run.newborn_days
                THEN
                    CASE
                        WHEN f.brdy >= coalesce(y.window_start, make_date(s.overlap_year, 1, 1)) THEN f.brdy
                        ELSE make_date(s.overlap_year, 1, 1)
                    END
            ELSE benefit_from(m.paid_date, s.overlap_year)
        END AS benefit_from,
        CASE
            WHEN d.system <> 'resident' THEN false
            WHEN d.is_elsewhere THEN true
            ELSE coalesce(m.amount > 0, false)
        END AS drop_paid
    FROM person_fact AS f
    CROSS JOIN run
    INNER JOIN settled AS s ON f.person_key = s.person_key
    LEFT JOIN duplicate_relation AS d ON s.dropped_no = d.row_no
    LEFT JOIN year_param AS y ON s.overlap_year = y.insu_year
    LEFT JOIN dropped_year AS m ON s.dropped_no = m.rel_no AND s.overlap_year = m.year
),

refunded AS (
    SELECT
        m.*,
        CASE
            WHEN m.subsidy_year IS NULL OR m.action <> 'terminate' THEN NULL
            WHEN m.kind = 'staff_resident' THEN 'FIN-3'
            WHEN m.is_deducted THEN 'FIN-1'
            ELSE 'FIN-2'
        END AS deduct_rule,
        CASE
            WHEN NOT coalesce(m.drop_paid, false) THEN NULL
            WHEN run.as_of < m.benefit_from THEN 'REF-1'
            WHEN m.action = 'suspend' THEN 'REF-2'
            ELSE 'REF-3'
        END AS refund_rule
    FROM moneyed AS m
    CROSS JOIN run
)

SELECT
    'D' || substr(i.person_id, 1, 16) AS group_id,
    i.person_id,
    i.certno,
    m.kind,
    CASE WHEN m.first_no <= run.as_of_month THEN 'current' ELSE 'prospective' END AS state,
    a.psn_insu_rlts_id AS rlts_a,
    b.psn_insu_rlts_id AS rlts_b,
    month_text(m.first_no) AS overlap_begn,
    month_text(m.last_no) AS overlap_end,
    m.overlap_months,
    k.psn_insu_rlts_id AS keep_rlts,
    m.drop_rlts,
    m.action,
    m.action IN ('choose', 'review') OR (m.rule_id = 'RET-7' AND m.kept_no IS NOT NULL) AS needs_review,
    m.rule_id,
    coalesce(c.document || ' ' || c.clause, '') AS clause,
    CASE m.rule_id
        WHEN 'RET-10' THEN 'identity'
        WHEN 'RET-3' THEN 'school'
        WHEN 'RET-2' THEN 'residence'
        WHEN 'RET-6' THEN 'flexible'
        ELSE 'employment'
    END AS cause,
    m.staff_months::INTEGER AS staff_months,
    m.subsidy_year::INTEGER AS subsidy_year,
    CASE WHEN m.is_deducted THEN m.subsidy_amt ELSE 0 END::DECIMAL(14, 2) AS subsidy_deduct_amt,
    m.deduct_rule,
    CASE m.refund_rule WHEN 'REF-1' THEN 'yes' WHEN 'REF-2' THEN 'no' WHEN 'REF-3' THEN 'manual' END AS refund,
    m.refund_rule,
    m.drop_admdvs AS notify_admdvs,
    a.psn_name AS psn_name_a,
    b.psn_name AS psn_name_b,
    a.insutype AS insutype_a,
    b.insutype AS insutype_b,
    a.insu_admdvs AS insu_admdvs_a,
    b.insu_admdvs AS insu_admdvs_b,
    json_object(
        'a', json_object(
            'rlts', a.psn_insu_rlts_id, 'elsewhere', a.is_elsewhere, 'begn_date', a.begn_date, 'psn_type', a.psn_type,
            'emp_name', a.emp_name, 'line', a.row_no % 4294967296, 'file', fa.file
        ),
        'b', json_object(
            'rlts', b.psn_insu_rlts_id, 'elsewhere', b.is_elsewhere, 'begn_date', b.begn_date, 'psn_type', b.psn_type,
            'emp_name', b.emp_name, 'line', b.row_no % 4294967296, 'file', fb.file
        ),
        'school_admdvs', m.school_admdvs,
        'enroll_date', m.enroll_date,
        'live_code', m.live_code,
        'staff_months', m.staff_months,
        'name_conflict', m.name_conflict,
        'dead', m.is_dead,
        'deduct_rule', m.deduct_rule,
        'benefit_from', m.benefit_from
    )::VARCHAR AS evidence
FROM person_identity AS i
CROSS JOIN run
INNER JOIN refunded AS m ON i.person_key = m.person_key
INNER JOIN duplicate_relation AS a ON m.no_a = a.row_no
INNER JOIN duplicate_relation AS b ON m.no_b = b.row_no
LEFT JOIN relation_file AS fa ON a.row_no // 4294967296 = fa.file_no
LEFT JOIN relation_file AS fb ON b.row_no // 4294967296 = fb.file_no
LEFT JOIN duplicate_relation AS k ON m.kept_no = k.row_no
LEFT JOIN code_rule AS c ON m.rule_id = c.code
