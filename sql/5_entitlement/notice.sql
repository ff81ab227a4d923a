-- title: 协查通知 / messages to the bureau that has to act
-- grain: one row per relation and action
-- rules: RET-5, RET-8, RET-9
-- publish: to_admdvs, person_id, notice_id
-- columns:
--   notice_id: the same message has the same id every night
--   from_admdvs: place of the relation that stays, as delivered
--   to_admdvs: place that has to act, as delivered
--   action: terminate, suspend, restore, enroll_anew
--   person_id: the person [sensitive]
--   certno: number in force [sensitive]
--   psn_name: name [sensitive]
--   psn_insu_rlts_id: the relation to act on
--   cause: school, residence, employment
--   rule_id: rule that decided
--   clause: its document and clause
--   evidence: what it rests on
WITH
wanted AS (
    SELECT
        d.person_id,
        CASE WHEN d.keep_rlts = d.rlts_a THEN d.insu_admdvs_a ELSE d.insu_admdvs_b END AS from_admdvs,
        d.notify_admdvs AS to_admdvs,
        d.action,
        d.drop_rlts AS psn_insu_rlts_id,
        d.cause,
        d.rule_id,
        d.clause,
        json_object('keep_rlts', d.keep_rlts, 'state', d.state, 'overlap_begn', d.overlap_begn)::VARCHAR AS evidence
    FROM duplicate_enrollment AS d
    WHERE d.drop_rlts IS NOT NULL
    UNION ALL
    SELECT
        i.person_id,
        t.insu_admdvs,
        r.insu_admdvs,
        b.action,
        r.psn_insu_rlts_id,
        'employment',
        'RET-8',
        c.document || ' ' || c.clause,
        json_object('job_end', b.job_end, 'paid_year', b.paid_year, 'staff_rlts', t.psn_insu_rlts_id)::VARCHAR
    FROM seasonal_return AS b
    INNER JOIN person_identity AS i ON b.person_key = i.person_key
    INNER JOIN relation_row AS r ON b.rel_no = r.row_no
    INNER JOIN relation_row AS t ON b.staff_no = t.row_no
    INNER JOIN code_rule AS c ON c.code = 'RET-8'
)

SELECT
    'N' || substr(sha256(w.person_id || w.psn_insu_rlts_id || w.action || w.rule_id), 1, 19) AS notice_id,
    w.from_admdvs,
    w.to_admdvs,
    w.action,
    w.person_id,
    i.certno,
    f.psn_name,
    w.psn_insu_rlts_id,
    w.cause,
    w.rule_id,
    w.clause,
    w.evidence
FROM wanted AS w
INNER JOIN person_identity AS i ON w.person_id = i.person_id
INNER JOIN person_fact AS f ON i.person_key = f.person_key
QUALIFY row_number() OVER (PARTITION BY w.person_id, w.psn_insu_rlts_id, w.action ORDER BY w.rule_id, w.from_admdvs) = 1
