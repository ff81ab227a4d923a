-- title: 一人一档 / one person, one file
-- grain: one row per person
-- rules: LED-1, LED-2, NB-2, NB-4
-- publish: person_id
-- parts: computed
-- columns:
--   person_id: keyed hash of the person's first number [sensitive]
--   certno: certificate number in force, 18 digits where it can be; null for a child without one [sensitive]
--   psn_cert_type: type of certificate
--   psn_name: name [sensitive]
--   gend: sex
--   brdy: birth date [sensitive]
--   age: full years on the as-of date
--   resd_code: registered division, 12 digits
--   live_code: division of residence, 12 digits
--   household_no: household [sensitive]
--   household_district: where the ledger counts the person at level 2 by registration: a district, or the city's code followed by - (未落地); null where it does not
--   residence_district: likewise by residence
--   resd_status: registration as the police have it
--   in_population: whether the police population knows the person
--   cert_check: ok, derived_18, bad_check, bad_format, temporary, other_type
--   other_certnos: further numbers of the person [sensitive]
--   insured_status: exactly one of the statuses of contract 3.3
--   status_evidence: what the status rests on
--   uninsured_reason: unpaid, stopped, lapsed, never; null for everybody else
--   group_tags: groups (code_group_tag_class)
--   sources: sources that know the person
--   household_place: division in use where the household basis counts the person; null where it does not
--   residence_place: division in use where the residence basis counts the person; null where it does not
--   counted: the measures of the ledger that count the person, as bits (code_measure_bit)
--   evidence_mark: changes when what the status rests on does, payments left aside; for comparison with the night before only
WITH
other_certno AS (
    SELECT person_key, list(number ORDER BY number) AS other_certnos
    FROM person_number
    WHERE kind = 'certno'
    GROUP BY person_key
),

-- what few have and hardly a status shows is not carried along for everybody
further AS (
    SELECT person_key, stopped_rlts, loose_amount
    FROM person_relation
    WHERE stopped_rlts IS NOT NULL OR loose_amount IS NOT NULL
),

aid_mark AS (
    SELECT
        person_key,
        bit_xor(mark_with(
            mark_with(mark_with(text_no(aid_type) % 2147483647, day_no(begn_date)), day_no(end_date)), bit_no(in_force)
        )) AS mark
    FROM aid
    GROUP BY person_key
)

SELECT
    i.person_id,
    i.certno,
    i.psn_cert_type,
    s.psn_name,
    s.gend,
    s.brdy,
    age_on(s.brdy, run.as_of) AS age,
    s.resd_code,
    s.live_code,
    s.household_no,
    coalesce(h.l2, h.l1 || '-') AS household_district,
    coalesce(l.l2, l.l1 || '-') AS residence_district,
    s.resd_status,
    s.in_population,
    i.cert_check,
    coalesce(o.other_certnos, []::VARCHAR[]) AS other_certnos,
    s.status AS insured_status,
    CASE s.status
        WHEN 'staff' THEN json_object('psn_insu_rlts_id', s.status_rlts)
        WHEN 'resident' THEN json_object('psn_insu_rlts_id', s.status_rlts, 'paid_without_record', r.loose_amount::DOUBLE)
        WHEN 'elsewhere' THEN json_object('psn_insu_rlts_id', s.status_rlts)
        WHEN 'attached_newborn' THEN json_object('guardian', g.guardian_id)
        WHEN 'excluded_death' THEN json_object('source', s.death_source, 'death_date', s.death_date)
        WHEN 'excluded_custody' THEN json_object('source', 'custody')
        WHEN 'uninsured' THEN json_object('unpaid', s.status_rlts, 'stopped', r.stopped_rlts)
        WHEN 'out_of_scope' THEN json_object('resd_code', s.resd_code, 'live_code', s.live_code)
        ELSE json_object('resd_status', s.resd_status, 'status_date', s.status_date)
    END::VARCHAR AS status_evidence,
    s.reason AS uninsured_reason,
    coalesce(t.group_tags, []::VARCHAR[]) AS group_tags,
    b.sources,
    c.resd_place AS household_place,
    c.live_place AS residence_place,
    c.counted,
    -- known to population, enrollment here and elsewhere, and history; feedback and the like decide no status
    mark_with(
        mark_with(
            mark_with(
                mark_with(
                    mark_with(
                        mark_with(mark_with((k.source_bits & 8241)::BIGINT, s.resd_no), s.live_no),
                        text_no(s.resd_status)
                    ),
                    day_no(s.brdy)
                ),
                s.guardian_key
            ),
            s.relation_mark
        ),
        coalesce(m.mark, 0) * 243 + bit_no(s.resd_permit) * 81 + bit_no(s.known_from_birth) * 27 + bit_no(s.is_dead) * 9
        + bit_no(s.in_custody) * 3 + bit_no(s.is_city_student)
    )::BIGINT AS evidence_mark
FROM person_status AS s
CROSS JOIN run
INNER JOIN person_identity AS i ON s.person_key = i.person_key
INNER JOIN ledger_person AS c ON s.person_key = c.person_key
INNER JOIN person_key AS k ON s.person_key = k.person_key
INNER JOIN source_set AS b ON k.source_bits = b.source_bits
LEFT JOIN further AS r ON s.person_key = r.person_key
LEFT JOIN person_tag AS p ON s.person_key = p.person_key
LEFT JOIN tag_set AS t ON p.tag_bits = t.tag_bits
LEFT JOIN other_certno AS o ON s.person_key = o.person_key
LEFT JOIN division_now AS h ON c.resd_place = h.division_code
LEFT JOIN division_now AS l ON c.live_place = l.division_code
LEFT JOIN aid_mark AS m ON s.person_key = m.person_key
LEFT JOIN newborn_guardian AS g ON s.person_key = g.person_key
