-- title: 待遇享受 / what a resident member is entitled to
-- grain: one row per person with a resident relation of the insured year
-- rules: PER-3, PER-4, PER-5, PER-6, WAIT-1, WAIT-2, WAIT-3, WAIT-4, WAIT-5, WAIT-6, WAIT-7, WAIT-8, NB-1, NB-3, NB-5, NB-6, TRN-1, TRN-2, CAP-1, CAP-2, CAP-3, CAP-4, CAP-5, CAP-6, CAP-7
-- publish: person_id
-- parts: computed
-- columns:
--   person_id: the person [sensitive]
--   psn_insu_rlts_id: relation
--   insu_admdvs: its place as delivered
--   insu_year: insured year
--   tier: premium tier
--   in_window: paid by the end of the centralized payment window (PER-1); null while unpaid
--   paid_date: first effective payment for the year
--   continuous_years: resident years ending with the insured year
--   lapsed_years: uncovered years just before it
--   repaired_years: of them paid for afterwards
--   fixed_months: fixed waiting months
--   variable_months: variable waiting months left after repair
--   waiting_months: total with the floor
--   wait_start: first day of waiting; null where nothing waits
--   benefit_begn: first day of benefits; null while unpaid
--   benefit_end: last day of benefits
--   exempt_reason: newborn, aid, veteran, transition
--   cap_base: original major-illness cap, yuan; null where no document gives it
--   cap_reward_continuous: reward for continuity, cut to the ceiling
--   cap_reward_zero_claim: reward for years without a claim, cut to what the ceiling leaves
--   cap_penalty: deduction for lapses, cut to the ceiling
--   cap_total: base plus rewards less penalty
--   unverified: parameters used that no document at hand confirms
--   rule_ids: rules that decided the row
--   flags: first_time (never insured before), begins_after_end, newborn_of_window (NB-3 for January and February)
--   evidence: what the row rests on
WITH
joined AS (
    SELECT
        e.*,
        y.continuous_years,
        y.reward_years,
        y.lapsed_years,
        y.penalty_years,
        y.repaired_years,
        y.is_first_time,
        x.exempt_reason AS exempt_ground,
        coalesce(x.is_newborn, false) AS is_newborn,
        coalesce(z.zero_claim_years, 0) AS zero_claim_years,
        e.paid_date <= run.window_end AS in_window,
        coalesce(e.paid_date < run.year_begn, false) AS paid_before_year
    FROM entitled_relation AS e
    CROSS JOIN run
    INNER JOIN enrollment_years AS y ON e.person_key = y.person_key
    LEFT JOIN waiting_exemption AS x ON e.person_key = x.person_key
    LEFT JOIN claim_reward AS z ON e.person_key = z.person_key
),

asked AS (
    SELECT
        *,
        -- WAIT-1: who did not pay in the window, or not continuously; where no window is known nobody is late
        paid_date IS NOT NULL AND run.waiting_fixed_months IS NOT NULL
        AND (NOT coalesce(in_window, true) OR lapsed_years > 0) AS would_wait
    FROM joined
    CROSS JOIN run
),

waiting AS (
    SELECT
        *,
        CASE WHEN would_wait OR exempt_ground = 'newborn' THEN exempt_ground END AS exempt_reason,
        would_wait AND exempt_ground IS NULL AS waits,
        is_newborn AND NOT (would_wait AND exempt_ground IS NULL) AS begins_at_birth
    FROM asked
),

counted AS (
    SELECT
        *,
        CASE WHEN waits THEN waiting_fixed_months ELSE 0 END AS fixed_months,
        CASE WHEN waits THEN greatest(0, greatest(0, lapsed_years - waiting_var_offset) - repaired_years) ELSE 0 END
            AS variable_months
    FROM waiting
),

totalled AS (
    SELECT
        *,
        CASE
            WHEN waits AND lapsed_years >= waiting_floor_lapsed_years
                THEN greatest(fixed_months + variable_months, waiting_floor_months)
            ELSE fixed_months + variable_months
        END AS waiting_months,
        CASE WHEN waits THEN CASE WHEN paid_before_year THEN year_begn ELSE paid_date + 1 END END AS wait_start
    FROM counted
),

begun AS (
    SELECT
        *,
        CASE
            WHEN paid_date IS NULL THEN NULL
            WHEN begins_at_birth
                THEN CASE
                    WHEN year(brdy) = insured_year OR brdy BETWEEN window_start AND window_end THEN brdy
                    ELSE year_begn
                END
            WHEN waits THEN (wait_start + to_months(waiting_months))::DATE
            ELSE benefit_from(paid_date, insured_year)
        END AS benefit_begn,
        coalesce(cap_limit_ratio * cap_base, 999999999) AS cap_limit,
        -- so narrow that what is compared with the limit fits into 64 bits: twice as wide took longer than all the rest
        (coalesce(cap_step, 0) * greatest(0, reward_years - coalesce(cap_after_years, 99)))::DECIMAL(14, 2) AS raw_continuous,
        (coalesce(cap_step, 0) * zero_claim_years)::DECIMAL(14, 2) AS raw_zero_claim,
        (coalesce(cap_step, 0) * penalty_years)::DECIMAL(14, 2) AS raw_penalty
    FROM totalled
),

capped AS (
    SELECT
        *,
        CASE WHEN paid_date IS NULL THEN 0 ELSE least(raw_continuous, cap_limit) END AS cap_reward_continuous,
        CASE
            WHEN paid_date IS NULL THEN 0
            ELSE least(raw_zero_claim, cap_limit - least(raw_continuous, cap_limit))
        END AS cap_reward_zero_claim,
        CASE WHEN paid_date IS NULL THEN 0 ELSE least(raw_penalty, cap_limit) END AS cap_penalty
    FROM begun
),

doubtful AS (
    SELECT coalesce(list(name ORDER BY name), []::VARCHAR[]) AS names
    FROM param
    CROSS JOIN run_input AS i
    WHERE
        NOT verified
        AND (
            starts_with(name, 'window.' || i.insured_year || '.') OR starts_with(name, 'waiting.')
            OR starts_with(name, 'transition.') OR name = 'newborn.days'
            OR (starts_with(name, 'cap.') AND name <> 'cap.deductible')
        )
),

doubtful_aid AS (
    SELECT name FROM param WHERE NOT verified AND starts_with(name, 'aid.')
)

SELECT
    p.person_id,
    c.psn_insu_rlts_id,
    c.insu_admdvs,
    c.insured_year AS insu_year,
    c.tier,
    c.in_window,
    c.paid_date,
    c.continuous_years,
    c.lapsed_years,
    c.repaired_years,
    c.fixed_months,
    c.variable_months,
    c.waiting_months,
    c.wait_start,
    c.benefit_begn,
    CASE WHEN c.paid_date IS NOT NULL THEN c.year_end END AS benefit_end,
    c.exempt_reason,
    c.cap_base,
    c.cap_reward_continuous::DECIMAL(14, 2) AS cap_reward_continuous,
    c.cap_reward_zero_claim::DECIMAL(14, 2) AS cap_reward_zero_claim,
    c.cap_penalty::DECIMAL(14, 2) AS cap_penalty,
    (c.cap_base + c.cap_reward_continuous + c.cap_reward_zero_claim - c.cap_penalty)::DECIMAL(14, 2) AS cap_total,
    CASE WHEN u.name IS NULL THEN d.names ELSE list_concat([u.name], d.names) END AS unverified,
    -- in alphabetical order, so that nothing has to be sorted
    string_split(concat_ws(
        '|',
        CASE WHEN c.cap_reward_continuous > 0 THEN 'CAP-1' END,
        CASE WHEN c.cap_reward_zero_claim > 0 THEN 'CAP-2' END,
        CASE WHEN c.cap_penalty > 0 THEN 'CAP-6' END,
        CASE WHEN c.begins_at_birth THEN CASE c.exempt_reason WHEN 'newborn' THEN 'NB-6' ELSE 'NB-1' END END,
        CASE
            WHEN c.paid_date IS NULL THEN 'PER-1'
            WHEN c.paid_before_year THEN CASE WHEN c.waits THEN 'PER-4' ELSE 'PER-3' END
            WHEN c.in_window THEN CASE WHEN c.waits THEN 'PER-6' ELSE 'PER-5' END
        END,
        CASE c.exempt_reason WHEN 'transition' THEN 'TRN-1' WHEN 'veteran' THEN 'TRN-2' END,
        CASE WHEN c.exempt_reason = 'aid' THEN 'WAIT-1' END,
        CASE WHEN c.waits THEN 'WAIT-2' END,
        CASE WHEN c.waits AND c.lapsed_years > 0 THEN 'WAIT-3' END,
        CASE WHEN c.waits AND c.repaired_years > 0 THEN 'WAIT-4' END,
        CASE WHEN c.waits AND c.waiting_months > c.fixed_months + c.variable_months THEN 'WAIT-5' END,
        CASE WHEN c.paid_date IS NOT NULL AND NOT c.paid_before_year AND NOT coalesce(c.in_window, false) THEN 'WAIT-6' END
    ), '|') AS rule_ids,
    list_filter([
        CASE WHEN c.benefit_begn > c.year_end THEN 'begins_after_end' END,
        CASE WHEN c.begins_at_birth AND month(c.brdy) >= 7 THEN 'born_second_half' END,
        CASE WHEN c.is_first_time THEN 'first_time' END,
        CASE
            WHEN c.begins_at_birth AND c.brdy BETWEEN c.year_begn AND c.window_end THEN 'newborn_of_window'
        END
    ], x -> x IS NOT NULL) AS flags,
    json_object(
        'paid_date', c.paid_date,
        'by_aid', c.by_aid,
        'reward_years', c.reward_years,
        'penalty_years', c.penalty_years,
        'zero_claim_years', c.zero_claim_years,
        'window_end', c.window_end
    )::VARCHAR AS evidence
FROM capped AS c
CROSS JOIN doubtful AS d
LEFT JOIN doubtful_aid AS u
    ON 'aid.' || c.aid_type || CASE c.tier WHEN '2' THEN '.tier2_personal' ELSE '.tier1_personal' END = u.name
INNER JOIN person_identity AS p ON c.person_key = p.person_key
