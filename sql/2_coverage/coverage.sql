-- title: 参保月份 / covered months
-- grain: one row per person, relation and run of months
-- rules: DUP-1, DUP-5
-- publish: person_id, psn_insu_rlts_id, insutype, begn_month, insu_admdvs, end_month, projected
-- parts: computed
-- columns:
--   person_id: the person [sensitive]
--   psn_insu_rlts_id: the relation; null for payments without one
--   insutype: insurance type
--   insu_admdvs: place as delivered
--   begn_month: first month, YYYYMM
--   end_month: last month, YYYYMM
--   paid: paid for, fully aided, or in no need of a payment
--   projected: expected to continue, not yet paid
WITH
-- a relation that needs no payments is covered by its spell, and by what was paid before
spell AS (
    SELECT rel_no, begn_no, end_no FROM interval_cover WHERE paid
),

summed AS (
    SELECT
        person_key,
        rel_no,
        insutype_no,
        min(year * 12 + first_bit(month_bits)) AS begn_no,
        max(year * 12 + last_bit(month_bits)) AS end_no,
        sum(bit_count(month_bits)) AS months
    FROM covered_year
    WHERE rel_no IS NOT NULL
    GROUP BY person_key, rel_no, insutype_no
),

placed AS (
    SELECT s.*, i.begn_no AS spell_begn, i.end_no AS spell_end
    FROM summed AS s
    LEFT JOIN spell AS i ON s.rel_no = i.rel_no
),

-- most relations are one run; only the others are taken apart month by month
broken AS (
    SELECT person_key, rel_no, insutype_no, spell_begn, spell_end
    FROM placed
    WHERE
        CASE
            WHEN spell_begn IS NULL THEN months <> end_no - begn_no + 1
            ELSE begn_no < spell_begn OR end_no > spell_end
        END
),

bit_of_year AS (
    SELECT unnest(range(0, 12))::INTEGER AS bit
),

broken_month AS (
    SELECT p.person_key, p.rel_no, p.insutype_no, NULL AS insu_admdvs, p.year * 12 + m.bit AS no
    FROM covered_year AS p
    INNER JOIN broken AS b ON p.rel_no = b.rel_no
    INNER JOIN bit_of_year AS m ON (p.month_bits >> m.bit) & 1 = 1
    WHERE b.spell_begn IS NULL OR p.year * 12 + m.bit NOT BETWEEN b.spell_begn AND b.spell_end
    UNION ALL
    SELECT person_key, rel_no, insutype_no, NULL, unnest(range(spell_begn, spell_end + 1))::INTEGER
    FROM broken
    WHERE spell_begn IS NOT NULL
    UNION ALL
    -- payments without a relation are of the place that they were made at, each year of its own
    SELECT p.person_key, p.rel_no, p.insutype_no, o.insu_admdvs, p.year * 12 + m.bit
    FROM covered_year AS p
    INNER JOIN bit_of_year AS m ON (p.month_bits >> m.bit) & 1 = 1
    LEFT JOIN loose_place AS o ON p.person_key = o.person_key AND p.insutype_no = o.insutype_no AND p.year = o.year
    WHERE p.rel_no IS NULL
),

broken_island AS (
    SELECT
        *,
        no - row_number() OVER (PARTITION BY person_key, rel_no, insutype_no, insu_admdvs ORDER BY no) AS island
    FROM broken_month
),

run_of_months AS (
    SELECT person_key, rel_no, insutype_no, NULL AS insu_admdvs, begn_no, end_no, true AS paid, false AS projected
    FROM placed
    WHERE spell_begn IS NULL AND months = end_no - begn_no + 1
    UNION ALL
    SELECT person_key, rel_no, insutype_no, insu_admdvs, min(no), max(no), true, false
    FROM broken_island
    GROUP BY person_key, rel_no, insutype_no, insu_admdvs, island
    UNION ALL
    SELECT person_key, rel_no, insutype_no, NULL, begn_no, end_no, paid, projected
    FROM interval_cover
    WHERE NOT paid OR rel_no NOT IN (SELECT rel_no FROM broken WHERE spell_begn IS NOT NULL)
)

SELECT
    i.person_id,
    r.psn_insu_rlts_id,
    m.insutype_no::VARCHAR AS insutype,
    CASE WHEN m.rel_no IS NULL THEN m.insu_admdvs ELSE r.insu_admdvs END AS insu_admdvs,
    month_text(m.begn_no) AS begn_month,
    month_text(m.end_no) AS end_month,
    m.paid,
    m.projected
FROM run_of_months AS m
INNER JOIN person_identity AS i ON m.person_key = i.person_key
LEFT JOIN relation_row AS r ON m.rel_no = r.row_no
