-- title: 四级参保台账 / the four-level ledger
-- grain: one row per insured year, basis, division and measure
-- rules: LED-1, LED-2, LED-3, TGT-1
-- publish: basis, level, division_code, measure
-- columns:
--   insu_year: insured year
--   as_of: as-of date
--   basis: household (户籍口径) or residence (常住口径)
--   level: 1 city, 2 district, 3 township, 4 village
--   division_code: 12 digits; the parent's followed by - for those whom nobody can place below it (未落地)
--   division_name: name today
--   measure: what is counted (contract 3.6)
--   value: number of people
WITH
basis_name AS (
    SELECT unnest(['household', 'residence']) AS basis
),

-- each division takes in the places below it; what lies at a division itself is its 未落地 row among its children
ledger_row AS (
    SELECT level, division_code, division_name, level AS of_level, division_code AS of_code FROM division_now
    UNION ALL
    SELECT level + 1, division_code || '-', division_name || '（未落地）', 0, division_code
    FROM division_now
    WHERE level < 4
),

contribution AS (
    SELECT c.*, u.level AS of_level, u.code AS of_code
    FROM ledger_place AS c
    INNER JOIN (
        SELECT division_code, 1 AS level, l1 AS code FROM division_now
        UNION ALL
        SELECT division_code, 2, l2 FROM division_now WHERE level >= 2
        UNION ALL
        SELECT division_code, 3, l3 FROM division_now WHERE level >= 3
        UNION ALL
        SELECT division_code, 4, l4 FROM division_now WHERE level = 4
        UNION ALL
        SELECT division_code, 0, division_code FROM division_now WHERE level < 4
    ) AS u ON c.place_code = u.division_code
),

target AS (
    SELECT s.current_code AS division_code, sum(t.target_persons) AS target_persons
    FROM src_target AS t
    CROSS JOIN run
    INNER JOIN division_successor AS s ON code12(t.division_code) = s.division_code
    WHERE t.insu_year = run.insured_year
    GROUP BY s.current_code
),

summed AS (
    SELECT
        b.basis,
        r.level,
        r.division_code,
        r.division_name,
        coalesce(sum(c.registered), 0)::BIGINT AS registered,
        coalesce(sum(c.resident), 0)::BIGINT AS resident,
        coalesce(sum(c.registered_present), 0)::BIGINT AS registered_present,
        coalesce(sum(c.registered_absent), 0)::BIGINT AS registered_absent,
        coalesce(sum(c.present_unregistered), 0)::BIGINT AS present_unregistered,
        coalesce(sum(c.should_be_insured), 0)::BIGINT AS should_be_insured,
        coalesce(sum(c.insured), 0)::BIGINT AS insured,
        coalesce(sum(c.insured_staff), 0)::BIGINT AS insured_staff,
        coalesce(sum(c.insured_resident), 0)::BIGINT AS insured_resident,
        coalesce(sum(c.insured_elsewhere), 0)::BIGINT AS insured_elsewhere,
        coalesce(sum(c.attached_newborn), 0)::BIGINT AS attached_newborn,
        coalesce(sum(c.staff_active), 0)::BIGINT AS staff_active,
        coalesce(sum(c.staff_retired), 0)::BIGINT AS staff_retired,
        coalesce(sum(c.staff_flexible), 0)::BIGINT AS staff_flexible,
        coalesce(sum(c.resident_tier1), 0)::BIGINT AS resident_tier1,
        coalesce(sum(c.resident_tier2), 0)::BIGINT AS resident_tier2,
        coalesce(sum(c.uninsured), 0)::BIGINT AS uninsured,
        coalesce(sum(c.uninsured_never), 0)::BIGINT AS uninsured_never,
        coalesce(sum(c.uninsured_lapsed), 0)::BIGINT AS uninsured_lapsed,
        coalesce(sum(c.uninsured_stopped), 0)::BIGINT AS uninsured_stopped,
        coalesce(sum(c.uninsured_unpaid), 0)::BIGINT AS uninsured_unpaid,
        coalesce(sum(c.separated_uninsured), 0)::BIGINT AS separated_uninsured,
        coalesce(sum(c.excluded), 0)::BIGINT AS excluded,
        coalesce(sum(c.excluded_death), 0)::BIGINT AS excluded_death,
        coalesce(sum(c.excluded_cancelled), 0)::BIGINT AS excluded_cancelled,
        coalesce(sum(c.excluded_moved), 0)::BIGINT AS excluded_moved,
        coalesce(sum(c.excluded_abroad), 0)::BIGINT AS excluded_abroad,
        coalesce(sum(c.excluded_military), 0)::BIGINT AS excluded_military,
        coalesce(sum(c.excluded_custody), 0)::BIGINT AS excluded_custody,
        coalesce(sum(c.out_of_scope), 0)::BIGINT AS out_of_scope,
        coalesce(sum(c.waiting_persons), 0)::BIGINT AS waiting_persons,
        coalesce(sum(c.duplicate_persons), 0)::BIGINT AS duplicate_persons,
        coalesce(sum(c.aid_should), 0)::BIGINT AS aid_should,
        coalesce(sum(c.aid_insured), 0)::BIGINT AS aid_insured,
        coalesce(sum(c.newborn_should), 0)::BIGINT AS newborn_should,
        coalesce(sum(c.newborn_insured), 0)::BIGINT AS newborn_insured,
        coalesce(sum(c.student_should), 0)::BIGINT AS student_should,
        coalesce(sum(c.student_insured), 0)::BIGINT AS student_insured,
        coalesce(sum(c.feedback_received), 0)::BIGINT AS feedback_received,
        coalesce(sum(c.insured_last_year), 0)::BIGINT AS insured_last_year,
        0::BIGINT AS dispatched,
        coalesce(max(t.target_persons), 0)::BIGINT AS target_persons
    FROM ledger_row AS r
    CROSS JOIN basis_name AS b
    LEFT JOIN contribution AS c ON b.basis = c.basis AND r.of_level = c.of_level AND r.of_code = c.of_code
    LEFT JOIN target AS t ON r.division_code = t.division_code
    GROUP BY b.basis, r.level, r.division_code, r.division_name
),

long AS (
    UNPIVOT summed
    ON COLUMNS(* EXCLUDE (basis, level, division_code, division_name))
    INTO NAME measure VALUE value
)

SELECT
    run.insured_year AS insu_year,
    run.as_of,
    long.basis,
    long.level,
    long.division_code,
    long.division_name,
    long.measure,
    long.value
FROM long
CROSS JOIN run
