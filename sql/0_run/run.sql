-- title: 本次运行的口径与参数 / what this run is judged by
-- grain: one row
-- columns:
--   as_of_month: months counted from year 0, as everywhere in columns that end in _month or _no inside the warehouse
--   span_first_month: first month in which duplicates are sought (contract 3.4)
WITH
chosen AS (
    SELECT
        max(CASE WHEN p.name = 'window.' || i.insured_year || '.start' THEN p.value END)::DATE AS window_start,
        max(CASE WHEN p.name = 'window.' || i.insured_year || '.end' THEN p.value END)::DATE AS window_end,
        max(CASE WHEN p.name = 'waiting.fixed_months' THEN p.value END)::INTEGER AS waiting_fixed_months,
        max(CASE WHEN p.name = 'waiting.var_offset' THEN p.value END)::INTEGER AS waiting_var_offset,
        max(CASE WHEN p.name = 'waiting.lapse_from_year' THEN p.value END)::INTEGER AS waiting_lapse_from_year,
        max(CASE WHEN p.name = 'waiting.floor_lapsed_years' THEN p.value END)::INTEGER AS waiting_floor_lapsed_years,
        max(CASE WHEN p.name = 'waiting.floor_months' THEN p.value END)::INTEGER AS waiting_floor_months,
        max(CASE WHEN p.name = 'waiting.exempt' THEN p.value END) AS waiting_exempt,
        max(CASE WHEN p.name = 'cap.base' THEN p.value END)::DECIMAL(14, 2) AS cap_base,
        max(CASE WHEN p.name = 'cap.step' THEN p.value END)::DECIMAL(14, 2) AS cap_step,
        max(CASE WHEN p.name = 'cap.after_years' THEN p.value END)::INTEGER AS cap_after_years,
        max(CASE WHEN p.name = 'cap.limit_ratio' THEN p.value END)::DECIMAL(9, 4) AS cap_limit_ratio,
        max(CASE WHEN p.name = 'cap.k_from_year' THEN p.value END)::INTEGER AS cap_k_from_year,
        max(CASE WHEN p.name = 'cap.reward_from_year' THEN p.value END)::INTEGER AS reward_from_year,
        coalesce(max(CASE WHEN p.name = 'cap.zero_claim_needs_payment' THEN p.value END)::BOOLEAN, true)
            AS zero_claim_needs_payment,
        coalesce(max(CASE WHEN p.name = 'cap.reset_next_year' THEN p.value END)::BOOLEAN, true) AS reset_next_year,
        max(CASE WHEN p.name = 'retention.staff_months' THEN p.value END)::INTEGER AS retention_staff_months,
        max(CASE WHEN p.name = 'retention.short_term_months' THEN p.value END)::INTEGER AS short_term_months,
        max(CASE WHEN p.name = 'transition.gap_months' THEN p.value END)::INTEGER AS transition_gap_months,
        max(CASE WHEN p.name = 'transition.min_years' THEN p.value END)::INTEGER AS transition_min_years,
        max(CASE WHEN p.name = 'transition.veteran_months' THEN p.value END)::INTEGER AS veteran_months,
        max(CASE WHEN p.name = 'newborn.days' THEN p.value END)::INTEGER AS newborn_days,
        max(CASE WHEN p.name = 'age_limit.male' THEN coalesce(p.valid_from, DATE '1900-01-01') END) AS age_limit_from,
        max(CASE WHEN p.name = 'age_limit.male' THEN p.value END)::INTEGER AS age_limit_male,
        max(CASE WHEN p.name = 'age_limit.female' THEN p.value END)::INTEGER AS age_limit_female
    FROM param AS p
    CROSS JOIN run_input AS i
)

SELECT
    i.as_of,
    i.insured_year,
    i.jurisdiction,
    date_month_no(i.as_of) AS as_of_month,
    i.insured_year * 12 AS year_first_month,
    i.insured_year * 12 + 11 AS year_last_month,
    least(date_month_no(i.as_of), i.insured_year * 12) AS span_first_month,
    make_date(i.insured_year, 1, 1) AS year_begn,
    make_date(i.insured_year, 12, 31) AS year_end,
    coalesce(least(chosen.window_start, make_date(i.insured_year, 1, 1)), make_date(i.insured_year, 1, 1))
        AS newborn_from,
    chosen.*
FROM run_input AS i
CROSS JOIN chosen
