-- title: 全额资助年度 / years in which aid leaves no personal share
-- grain: one row per resident relation and year
-- rules: AID-2
-- columns:
--   aid_type: of several kinds the first in the order of priority decides
WITH
spell AS (
    SELECT
        r.row_no AS rel_no,
        r.person_key,
        r.insutype,
        r.begn_date,
        coalesce(r.tier, '1') AS tier,
        a.aid_type,
        a.priority,
        a.tier1_personal,
        a.tier2_personal,
        greatest(s.base_year, year(a.begn_date)) AS first_year,
        least(
            run.insured_year,
            coalesce(year(a.end_date), run.insured_year),
            CASE WHEN r.is_stopped THEN year(coalesce(r.end_date, r.begn_date)) ELSE run.insured_year END
        ) AS last_year
    FROM aid AS a
    CROSS JOIN run
    INNER JOIN relation_row AS r ON a.person_key = r.person_key AND r.system = 'resident' AND NOT r.is_elsewhere
    INNER JOIN relation_start AS s ON r.row_no = s.rel_no
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
        row_number() OVER (PARTITION BY rel_no, year ORDER BY priority, aid_type) AS rank_no
    FROM yearly
)

SELECT rel_no, person_key, insutype, begn_date, year, aid_type
FROM ranked
WHERE rank_no = 1 AND CASE tier WHEN '2' THEN tier2_personal ELSE tier1_personal END = 0
