-- title: 人员参保情况 / what a person's relations and payments amount to
-- grain: one row per person with a relation or a resident payment for the year
-- rules: DUP-5, LED-2
-- parts: computed
-- columns:
--   status_rlts: the relation that the status rests on: the one that insures, else one that is not paid for; null where
--     there is neither, and where a payment without a relation insures
--   stopped_rlts: a relation of the year that is stopped
--   staff_unpaid: a normal staff relation of this city whose payments do not reach this month or the one before
--   relation_mark: changes when what is on record about the relations does, payments left aside
--   is_resident: paid or fully aided for the insured year by a relation that is not stopped, or without a relation
WITH
relation_flag AS (
    SELECT
        person_key,
        row_no,
        psn_insu_rlts_id,
        covers_now AS is_staff,
        covers_now AND NOT is_retired AND NOT is_flexible AS is_active_staff,
        covers_now AND NOT is_retired AND is_flexible AS is_flexible_staff,
        system = 'resident' AND NOT is_elsewhere AND covers_year AND NOT is_stopped AS is_resident,
        is_elsewhere AND covers_year AS is_elsewhere,
        NOT is_elsewhere AND is_normal
        AND CASE system WHEN 'resident' THEN of_year AND NOT covers_year ELSE NOT covers_now END AS is_unpaid,
        is_stopped AND of_year AS is_stopped,
        psn_insu_stas IN ('1', '2', '4') AND base_year < run.insured_year AS is_earlier,
        system = 'staff' AND NOT is_elsewhere AND is_normal AND NOT covers_now AS is_staff_unpaid,
        mark_with(
            mark_with(mark_with(text_no(psn_insu_rlts_id) % 2147483647, insutype_no), text_no(psn_insu_stas)),
            day_no(begn_date) * 27 + bit_no(needs_no_payment) * 9 + bit_no(is_normal) * 3 + bit_no(is_elsewhere)
        ) AS row_mark
    FROM relation
    CROSS JOIN run
),

by_relation AS (
    SELECT
        person_key,
        -- one text for the four, in the order in which they decide: no relation is more than one of them
        min(
            CASE
                WHEN is_staff THEN '1' || psn_insu_rlts_id
                WHEN is_resident THEN '2' || psn_insu_rlts_id
                WHEN is_elsewhere THEN '3' || psn_insu_rlts_id
                WHEN is_unpaid THEN '4' || psn_insu_rlts_id
            END
        ) AS ranked_rlts,
        min(CASE WHEN is_stopped THEN psn_insu_rlts_id END) AS stopped_rlts,
        bool_or(is_staff) AS is_staff,
        bool_or(is_resident) AS is_resident,
        bool_or(is_elsewhere) AS is_elsewhere,
        bool_or(is_unpaid) AS is_unpaid,
        CASE WHEN bool_or(is_active_staff) THEN 'active' WHEN bool_or(is_flexible_staff) THEN 'flexible' ELSE 'retired' END
            AS staff_kind,
        bool_or(is_earlier) AS has_earlier,
        bool_or(is_staff_unpaid) AS staff_unpaid,
        bit_xor(row_mark) AS relation_mark
    FROM relation_flag
    GROUP BY person_key
),

by_payment AS (
    -- money without a record still insures (contract 3.3)
    SELECT c.person_key, sum(c.amount)::DECIMAL(18, 2) AS amount
    FROM covered_year AS c
    CROSS JOIN run
    WHERE c.rel_no IS NULL AND c.system = 'resident' AND c.year = run.insured_year
    GROUP BY c.person_key
)

SELECT
    coalesce(r.person_key, p.person_key) AS person_key,
    CASE WHEN r.is_staff OR r.is_resident OR p.person_key IS NULL THEN substr(r.ranked_rlts, 2) END AS status_rlts,
    r.stopped_rlts,
    coalesce(r.is_staff, false) AS is_staff,
    coalesce(r.is_resident, false) OR p.person_key IS NOT NULL AS is_resident,
    coalesce(r.is_elsewhere, false) AS is_elsewhere,
    coalesce(r.is_unpaid, false) AS is_unpaid,
    r.stopped_rlts IS NOT NULL AS is_stopped,
    CASE WHEN r.is_staff THEN r.staff_kind END AS staff_kind,
    coalesce(r.has_earlier, false) AS has_earlier,
    coalesce(r.staff_unpaid, false) AS staff_unpaid,
    r.relation_mark,
    p.amount AS loose_amount
FROM by_relation AS r
FULL JOIN by_payment AS p ON r.person_key = p.person_key
