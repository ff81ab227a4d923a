-- Who stood on the list of the uninsured in the publication before, and where in today's divisions.
CREATE TABLE before AS
WITH
earlier AS (
    SELECT person_id, certno, psn_name, gend, age, household_no, uninsured_reason, resd_code, live_code
    FROM read_parquet(getvariable('before').uninsured)
),

code AS (
    SELECT resd_code AS code FROM earlier WHERE resd_code IS NOT NULL
    UNION
    SELECT live_code FROM earlier WHERE live_code IS NOT NULL
),

-- a code lies where today's table has it, else at the deepest level it shares with one, as in the ledger
placed AS (
    SELECT c.code, coalesce(v.tree_no, t.tree_no, d.tree_no, p.tree_no) AS tree
    FROM code AS c
    LEFT JOIN code_place AS v ON c.code = v.code
    LEFT JOIN code_place AS t ON rpad(substr(c.code, 1, 9), 12, '0') = t.code
    LEFT JOIN code_place AS d ON rpad(substr(c.code, 1, 6), 12, '0') = d.code
    LEFT JOIN code_place AS p ON rpad(substr(c.code, 1, 2), 12, '0') = p.code
)

SELECT
    e.person_id::UUID AS person_id,
    e.certno,
    e.psn_name,
    e.gend,
    e.age,
    e.household_no,
    e.uninsured_reason,
    coalesce(h.tree, 0) AS household_tree,
    CASE
        WHEN e.live_code IS NULL AND h.tree IS NOT NULL THEN 1
        ELSE coalesce(r.tree, 0)
    END AS residence_tree
FROM earlier AS e
LEFT JOIN placed AS h ON e.resd_code = h.code
LEFT JOIN placed AS r ON e.live_code = r.code;
