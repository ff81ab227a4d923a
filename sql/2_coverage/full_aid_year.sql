-- title: 全额资助年度 / years in which aid leaves no personal share
-- grain: one row per resident relation and year
-- rules: AID-2
-- columns:
--   aid_type: of several kinds the first in the order of priority decides
--   aided_from: first day of aid in the year's spells that leaves no personal share
WITH
spell AS (
    SELECT
        r.row_no AS rel_no,
        r.person_key,
        r.insutype_no,
        r.begn_date,
        a.begn_date AS aid_begn_date,
        a.aid_type,
        a.priority,
        coalesce(CASE r.tier WHEN '2' THEN a.tier2_personal ELSE a.tier1_personal END = 0, false) AS is_full,
        greatest(coalesce(s.base_year, year(r.begn_date)), year(a.begn_date)) AS first_year,
        least(
            run.insured_year,
            coalesce(year(a.end_date), run.insured_year),
            CASE WHEN r.is_stopped THEN year(coalesce(r.end_date, r.begn_date)) ELSE run.insured_year END
        ) AS last_year
    FROM aid AS a
    CROSS JOIN run
    INNER JOIN relation_row AS r ON a.person_key = r.person_key AND r.system = 'resident' AND NOT r.is_elsewhere
    LEFT JOIN relation_start AS s ON r.row_no = s.rel_no
    WHERE r.psn_insu_stas IN ('1', '2', '4')
),

yearly AS (
    SELECT *, unnest(range(first_year, last_year + 1))::INTEGER AS year
    FROM spell
    WHERE last_year >= first_year
),

ranked AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY rel_no, year ORDER BY priority, aid_type) AS rank_no,
        min(CASE WHEN is_full THEN aid_begn_date END) OVER (PARTITION BY rel_no, year) AS aided_from
    FROM yearly
)

SELECT rel_no, person_key, insutype_no, begn_date, year, aid_type, aided_from
FROM ranked
WHERE rank_no = 1 AND is_full
