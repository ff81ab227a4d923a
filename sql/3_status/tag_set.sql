-- title: 标签组合 / every combination of groups that occurs
-- grain: one row per combination
-- columns:
--   group_tags: sorted list of codes
--   priority: of its most urgent group
SELECT
    t.tag_bits,
    list(g.code ORDER BY g.code) AS group_tags,
    min(g.priority::INTEGER) AS priority
FROM (SELECT DISTINCT tag_bits FROM person_tag) AS t
INNER JOIN code_group_tag_class AS g ON t.tag_bits & g.bit::INTEGER <> 0
GROUP BY t.tag_bits
