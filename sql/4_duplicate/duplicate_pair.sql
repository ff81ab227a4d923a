-- title: 重复参保关系对 / pairs of relations of one person that cover the same month
-- grain: one row per pair, a before b in text order
-- rules: DUP-1, DUP-2, DUP-3
-- columns:
--   overlap_bits: months that both cover
--   name_conflict: the two records carry names that differ beyond dots, blanks and unreadable characters
SELECT
    a.person_key,
    a.row_no AS no_a,
    b.row_no AS no_b,
    a.span_bits & b.span_bits AS overlap_bits,
    CASE
        WHEN a.system = b.system THEN a.system || '_' || b.system
        ELSE 'staff_resident'
    END AS kind,
    NOT same_name(a.psn_name, b.psn_name) AS name_conflict
FROM duplicate_relation AS a
INNER JOIN duplicate_relation AS b
    ON
        a.person_key = b.person_key
        AND (a.psn_insu_rlts_id, a.row_no) < (b.psn_insu_rlts_id, b.row_no)
WHERE a.span_bits & b.span_bits <> 0
