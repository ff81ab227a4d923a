-- title: 居民关系的起始年度 / the insured year that a resident relation was begun for
-- grain: one row per resident relation of this city
-- columns:
--   base_year: the coming year where begn_date lies in its payment window, else the year of begn_date (contract 3.2)
SELECT
    r.row_no AS rel_no,
    r.person_key,
    coalesce(min(y.insu_year), min(year(r.begn_date)))::INTEGER AS base_year
FROM relation_row AS r
LEFT JOIN year_param AS y
    ON r.begn_date BETWEEN y.window_start AND y.window_end AND y.insu_year >= year(r.begn_date)
WHERE r.system = 'resident' AND NOT r.is_elsewhere
GROUP BY r.row_no, r.person_key
