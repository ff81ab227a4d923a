-- title: 分年度参数 / parameters of one insured year each
-- grain: one row per insured year that has a window, a premium or a subsidy
-- rules: PER-1, PER-2, FIN-4
SELECT
    split_part(name, '.', 2)::INTEGER AS insu_year,
    max(CASE WHEN name LIKE 'window.%.start' THEN value END)::DATE AS window_start,
    max(CASE WHEN name LIKE 'window.%.end' THEN value END)::DATE AS window_end,
    max(CASE WHEN name LIKE 'premium.%.tier1' THEN value END)::DECIMAL(14, 2) AS tier1_amt,
    max(CASE WHEN name LIKE 'premium.%.tier2' THEN value END)::DECIMAL(14, 2) AS tier2_amt,
    max(CASE WHEN name LIKE 'subsidy.%' THEN value END)::DECIMAL(14, 2) AS subsidy_amt
FROM param
WHERE regexp_matches(name, '^(window|premium|subsidy)\.[0-9]{4}')
GROUP BY split_part(name, '.', 2)::INTEGER
