-- People in the order in which a list of the household basis shows them: by division, families together. The row number
-- names a person in the other tables of the index. Tree number 0: in no division of the city.
CREATE TABLE person AS
SELECT
    p.person_id::UUID AS person_id,
    coalesce(h.tree_no, 0) AS household_tree,
    coalesce(r.tree_no, 0) AS residence_tree,
    p.counted,
    p.psn_name,
    p.certno,
    p.gend,
    p.brdy,
    p.age,
    p.resd_code,
    p.live_code,
    p.household_no,
    p.insured_status,
    p.uninsured_reason,
    array_to_string(p.group_tags, ' ') AS tags
FROM read_parquet(getvariable('published').person) AS p
LEFT JOIN division AS h ON p.household_place = h.division_code
LEFT JOIN division AS r ON p.residence_place = r.division_code
ORDER BY household_tree, p.household_no, p.person_id;

-- What a person's own page shows besides; in the order of the publication, which is that of the ids.
CREATE TABLE person_file AS
SELECT
    person_id::UUID AS person_id, psn_cert_type, in_population, cert_check, other_certnos, status_evidence, sources
FROM read_parquet(getvariable('published').person);

CREATE TABLE person_lookup AS
SELECT person_id, rowid AS n
FROM person
ORDER BY person_id;

-- The same people in the order of a list of the residence basis.
CREATE TABLE residence AS
SELECT residence_tree, rowid AS n, counted
FROM person
WHERE residence_tree > 0
ORDER BY residence_tree, n;

-- People by name, for looking somebody up.
CREATE TABLE name_lookup AS
SELECT psn_name, household_tree, residence_tree, rowid AS n
FROM person
WHERE psn_name IS NOT NULL
ORDER BY psn_name, n;
