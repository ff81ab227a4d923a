-- title: 参与重复的关系 / normal, covered relations of people who have several
-- grain: one row per relation
-- rules: DUP-1, DUP-2, DUP-3, DUP-4, DUP-5
-- parts: computed
-- columns:
--   place6: six digits of insu_admdvs, by which places are compared (contract 3.4)
--   span_bits: covered months of the span, bit 0 its first month
WITH
several AS (
    SELECT person_key
    FROM relation
    WHERE is_normal AND span_bits <> 0
    GROUP BY person_key
    HAVING count(*) > 1
)

SELECT
    r.*,
    w.insutype,
    place6(r.insu_admdvs) AS place6,
    w.uscc,
    w.psn_name,
    w.psn_type,
    w.emp_name
FROM relation AS r
INNER JOIN relation_row AS w ON r.row_no = w.row_no
WHERE r.is_normal AND r.span_bits <> 0 AND r.person_key IN (SELECT person_key FROM several)
