-- The list of the uninsured: a row for each division that is responsible for a person. Role `unplaced`: registered here,
-- lives nobody knows where; the residence basis counts such a person at the city. `was_…`: where the person stood on the
-- list before, 0 where not.
CREATE TABLE tag_set AS
SELECT s.tags, bit_or(c.bit)::INTEGER AS bits
FROM (SELECT DISTINCT tags FROM person) AS s
INNER JOIN read_csv(getvariable('codes') || '/group_tag_class.csv', header = true) AS c
    ON list_contains(string_split(s.tags, ' '), c.code)
GROUP BY s.tags;

CREATE TABLE worklist AS
WITH
listed AS (
    SELECT u.* REPLACE (u.person_id::UUID AS person_id), p.household_tree, p.residence_tree, p.tags
    FROM read_parquet(getvariable('published').uninsured) AS u
    INNER JOIN person AS p ON u.person_id::UUID = p.person_id
),

responsible AS (
    SELECT r.person_id::UUID AS person_id, d.tree_no AS tree, r.role
    FROM read_parquet(getvariable('published').responsibility) AS r
    INNER JOIN division AS d ON r.division_code = d.division_code
    UNION ALL
    SELECT person_id, residence_tree, 'unplaced'
    FROM listed
    WHERE live_code IS NULL AND residence_tree > 0 AND residence_tree <> household_tree
)

SELECT
    r.tree,
    r.role,
    l.person_id,
    l.household_tree,
    l.residence_tree,
    l.psn_name,
    l.certno,
    l.gend,
    l.age,
    l.tel,
    l.resd_code,
    l.live_code,
    coalesce(l.separated, false) AS separated,
    l.uninsured_reason,
    l.last_insured_year,
    l.last_insutype,
    l.last_admdvs,
    l.household_no,
    l.contact_name,
    l.contact_tel,
    l.tags,
    coalesce(t.bits, 0) AS tag_bits,
    l.priority,
    l.feedback_reason,
    l.feedback_date,
    l.feedback_division,
    l.feedback_until,
    coalesce(b.household_tree, 0) AS was_household,
    coalesce(b.residence_tree, 0) AS was_residence
FROM responsible AS r
INNER JOIN listed AS l ON r.person_id = l.person_id
LEFT JOIN tag_set AS t ON l.tags = t.tags
LEFT JOIN before AS b ON l.person_id = b.person_id
ORDER BY r.tree, l.household_no, l.person_id, r.role;

-- Who has left the list, or a division's part of it, since.
CREATE TABLE closed AS
WITH
gone AS (
    SELECT
        b.*,
        coalesce(w.household_tree, 0) AS now_household,
        coalesce(w.residence_tree, 0) AS now_residence,
        p.insured_status AS status_is,
        coalesce(p.household_tree, 0) AS lives_household,
        coalesce(p.residence_tree, 0) AS lives_residence,
        coalesce(c.cause, CASE WHEN w.person_id IS NOT NULL THEN 'move' END) AS cause,
        c.detail
    FROM before AS b
    LEFT JOIN (SELECT DISTINCT person_id, household_tree, residence_tree FROM worklist) AS w
        ON b.person_id = w.person_id
    LEFT JOIN person AS p ON b.person_id = p.person_id
    LEFT JOIN change AS c ON b.person_id = c.person_id
    WHERE
        w.person_id IS NULL
        OR b.household_tree <> w.household_tree
        OR b.residence_tree <> w.residence_tree
),

stood AS (
    SELECT household_tree AS tree, 'household' AS role, * FROM gone WHERE household_tree > 0
    UNION ALL
    SELECT residence_tree, 'residence', *
    FROM gone
    WHERE residence_tree > 0 AND residence_tree <> household_tree
)

SELECT *
FROM stood
ORDER BY tree, household_no, person_id;
