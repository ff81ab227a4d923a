-- title: 为下一年度办理的居民关系 / resident relations begun in a payment window
-- grain: one row per resident relation of this city whose begn_date lies in the window of a later or the same year
-- rules: PER-1
-- parts: computed
-- columns:
--   base_year: the insured year of that window (contract 3.2); every other relation is begun for the year of its begn_date
SELECT r.row_no AS rel_no, min(y.insu_year)::INTEGER AS base_year
FROM relation_row AS r
INNER JOIN year_param AS y ON r.begn_date >= y.window_start AND r.begn_date <= y.window_end
WHERE r.system = 'resident' AND NOT r.is_elsewhere AND y.insu_year >= year(r.begn_date)
GROUP BY r.row_no
