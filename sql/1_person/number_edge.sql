-- title: 号码变更关系 / which number was another number before
-- grain: one row per number that points to an earlier one of the same person
-- rules: DUP-8, NB-2
-- columns:
--   child_key: the later number
--   parent_key: the number that the person had first
WITH
claimed AS (
    -- a used-to-be number that two differently named people claim joins nobody
    SELECT
        number_key(p.certno) AS child_key,
        number_key(p.old_certno) AS parent_key,
        p.psn_name
    FROM src_population AS p
    WHERE p.old_certno IS NOT NULL
),

taken AS (
    -- nor does one that somebody of another name bears today
    SELECT c.parent_key
    FROM claimed AS c
    INNER JOIN (
        SELECT number_key(certno) AS number_key, psn_name
        FROM src_population
        WHERE number_text(certno) IN (SELECT number_text(o.old_certno) FROM src_population AS o WHERE o.old_certno IS NOT NULL)
    ) AS p ON c.parent_key = p.number_key
    WHERE NOT same_name(c.psn_name, p.psn_name)
),

undisputed AS (
    SELECT parent_key
    FROM claimed
    WHERE parent_key NOT IN (SELECT parent_key FROM taken)
    GROUP BY parent_key
    HAVING count(DISTINCT name_key(psn_name)) = 1
),

old_number AS (
    SELECT c.child_key, min(c.parent_key) AS parent_key
    FROM claimed AS c
    INNER JOIN undisputed AS u ON c.parent_key = u.parent_key
    WHERE c.child_key <> c.parent_key
    GROUP BY c.child_key
),

birth_number AS (
    -- born without a number, got one later: the birth certificate's number came first
    SELECT number_key(own_certno) AS child_key, min(birth_key) AS parent_key, count(*) AS births
    FROM birth_child
    WHERE NOT first_had_certno AND own_certno IS NOT NULL
    GROUP BY number_key(own_certno)
),

born_with_number AS (
    -- born with a number: the birth certificate's number, where another source uses it, is the same child
    SELECT birth_key AS child_key, number_key(own_certno) AS parent_key
    FROM birth_child
    WHERE first_had_certno AND own_certno IS NOT NULL
),

edge AS (
    SELECT child_key, parent_key FROM old_number
    UNION ALL
    SELECT child_key, parent_key
    FROM birth_number AS b
    WHERE b.births = 1 AND NOT EXISTS (SELECT 1 FROM old_number AS o WHERE o.child_key = b.child_key)
    UNION ALL
    SELECT child_key, parent_key FROM born_with_number
)

-- one certificate's number may stand where another's child has its own: a number was one number before, and two that each
-- claim to be the other's earlier one say nothing
SELECT e.child_key, min(e.parent_key) AS parent_key
FROM edge AS e
LEFT JOIN edge AS back ON e.parent_key = back.child_key AND e.child_key = back.parent_key
WHERE back.child_key IS NULL
GROUP BY e.child_key
