-- Pairs of relations with the person's places, and with the districts that the two relations and the notice belong to.
CREATE TABLE duplicate AS
SELECT
    d.* REPLACE (d.person_id::UUID AS person_id),
    coalesce(p.household_tree, 0) AS household_tree,
    coalesce(p.residence_tree, 0) AS residence_tree,
    p.age,
    p.gend,
    p.resd_code,
    p.live_code,
    coalesce(a.tree_no, 0) AS tree_a,
    coalesce(b.tree_no, 0) AS tree_b,
    coalesce(n.tree_no, 0) AS notify_tree
FROM read_parquet(getvariable('published').duplicate_enrollment) AS d
INNER JOIN person AS p ON d.person_id::UUID = p.person_id
LEFT JOIN code_place AS a ON rpad(substr(d.insu_admdvs_a, 1, 6), 12, '0') = a.code
LEFT JOIN code_place AS b ON rpad(substr(d.insu_admdvs_b, 1, 6), 12, '0') = b.code
LEFT JOIN code_place AS n ON rpad(substr(d.notify_admdvs, 1, 6), 12, '0') = n.code
ORDER BY household_tree, residence_tree, person_id, d.rlts_a, d.rlts_b;
