-- title: 资助参保标准 / personal share of the premium by kind of aid
-- grain: one row per kind of aid
-- rules: AID-2
SELECT
    split_part(name, '.', 2) AS aid_type,
    max(CASE WHEN name LIKE '%.priority' THEN value END)::INTEGER AS priority,
    max(CASE WHEN name LIKE '%.tier1_personal' THEN value END)::DECIMAL(14, 2) AS tier1_personal,
    max(CASE WHEN name LIKE '%.tier2_personal' THEN value END)::DECIMAL(14, 2) AS tier2_personal
FROM param
WHERE name LIKE 'aid.%'
GROUP BY split_part(name, '.', 2)
