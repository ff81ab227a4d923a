-- title: 未参保人员 / persons who should be insured and are not
-- grain: one row per uninsured person
-- rules: LED-2, LED-3, LED-4, LED-6, AID-1
-- publish: resd_code, live_code, person_id
-- columns:
--   person_id: the person [sensitive]
--   certno: number in force [sensitive]
--   psn_name: name [sensitive]
--   gend: sex
--   brdy: birth date [sensitive]
--   age: full years on the as-of date
--   tel: telephone [sensitive]
--   resd_code: registered division
--   live_code: division of residence
--   separated: 人户分离: both known to the township, in different townships
--   uninsured_reason: unpaid, stopped, lapsed, never: the first that applies
--   last_insured_year: last year with any cover
--   last_insutype: its insurance type
--   last_admdvs: its place, as delivered
--   household_no: household, for visits by family [sensitive]
--   contact_name: mother or guardian of a child [sensitive]
--   contact_tel: their telephone [sensitive]
--   group_tags: groups
--   priority: 1 is first
--   feedback_reason: newest answer in force
--   feedback_date: day of that visit
--   feedback_division: who answered
--   feedback_until: until when the answer holds
--   feedback_disputed: two answers contradict and wait for a common superior (待核实); then no answer is in force
--   suggested_reason: what the data at hand suggest to whoever visits; no status
--   suggested_from: what that rests on: last_visit, enrollment, population, student, employment, enrollment_history
--   evidence: what the reason rests on
WITH
disputed AS (
    SELECT DISTINCT person_key FROM feedback_dispute WHERE why = 'disputed'
),

-- who is in no group and was not visited: after all groups (code_group_tag_class)
unvisited AS (
    SELECT 5 AS priority
),

stopped AS (
    SELECT person_key, stopped_rlts FROM person_relation WHERE stopped_rlts IS NOT NULL
)

SELECT
    i.person_id,
    i.certno,
    s.psn_name,
    s.gend,
    s.brdy,
    age_on(s.brdy, run.as_of) AS age,
    p.tel,
    s.resd_code,
    s.live_code,
    s.is_separated AS separated,
    s.reason AS uninsured_reason,
    l.last_insured_year,
    l.last_insutype,
    l.last_admdvs,
    s.household_no,
    CASE WHEN age_on(s.brdy, run.as_of) < 18 THEN c.contact_name END AS contact_name,
    CASE WHEN age_on(s.brdy, run.as_of) < 18 THEN c.contact_tel END AS contact_tel,
    coalesce(t.group_tags, []::VARCHAR[]) AS group_tags,
    -- an answer puts forward or off; who was not found, or refused, comes after those whom nobody visited
    CASE
        WHEN f.priority > u.priority THEN f.priority
        ELSE least(coalesce(t.priority, u.priority), coalesce(f.priority, u.priority))
    END AS priority,
    f.reason_code AS feedback_reason,
    f.found_date AS feedback_date,
    f.division_code AS feedback_division,
    f.end_date AS feedback_until,
    q.person_key IS NOT NULL AS feedback_disputed,
    n.suggested_reason,
    n.suggested_from,
    json_object(
        'rule', 'LED-2',
        'unpaid', s.status_rlts,
        'stopped', r.stopped_rlts,
        'last_insured_year', l.last_insured_year,
        'resd_status', s.resd_status,
        'sources', b.sources
    )::VARCHAR AS evidence
FROM person_status AS s
CROSS JOIN run
CROSS JOIN unvisited AS u
INNER JOIN person_identity AS i ON s.person_key = i.person_key
INNER JOIN person_fact AS p ON s.person_key = p.person_key
INNER JOIN person_key AS k ON s.person_key = k.person_key
INNER JOIN source_set AS b ON k.source_bits = b.source_bits
LEFT JOIN stopped AS r ON s.person_key = r.person_key
LEFT JOIN last_insured AS l ON s.person_key = l.person_key
LEFT JOIN contact AS c ON s.person_key = c.person_key
LEFT JOIN person_tag AS g ON s.person_key = g.person_key
LEFT JOIN tag_set AS t ON g.tag_bits = t.tag_bits
LEFT JOIN feedback_person AS f ON s.person_key = f.person_key
LEFT JOIN disputed AS q ON s.person_key = q.person_key
LEFT JOIN suggestion AS n ON s.person_key = n.person_key
WHERE s.status = 'uninsured'
