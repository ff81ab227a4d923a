-- What is known of each person, found by the person's id.
CREATE TABLE coverage AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM read_parquet(getvariable('published').coverage);

CREATE TABLE entitlement AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM read_parquet(getvariable('published').entitlement);

CREATE TABLE identifier AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM read_parquet(getvariable('published').identifier);

-- Numbers only as hashes, so that nothing but a whole number finds anybody.
CREATE TABLE number_lookup AS
SELECT DISTINCT hash(value) AS h, person_id
FROM identifier
WHERE kind IN ('certno', 'birth_cert_no')
ORDER BY h, person_id;

CREATE TABLE duplicate_payment AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM read_parquet(getvariable('published').duplicate_payment);

CREATE TABLE premium_reconciliation AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM read_parquet(getvariable('published').premium_reconciliation);

CREATE TABLE merge_candidate AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM read_parquet(getvariable('published').merge_candidate);

CREATE TABLE anomaly AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM read_parquet(getvariable('published').anomaly);

CREATE TABLE newborn AS
SELECT * REPLACE (person_id::UUID AS person_id, guardian_person_id::UUID AS guardian_person_id)
FROM read_parquet(getvariable('published').newborn);

CREATE TABLE notice AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM read_parquet(getvariable('published').notice)
ORDER BY person_id, notice_id;

CREATE TABLE feedback AS
SELECT * REPLACE (person_id::UUID AS person_id)
FROM (
    SELECT *
    FROM read_parquet(getvariable('published').feedback)
    WHERE person_id IS NOT NULL
    UNION ALL BY NAME
    SELECT -- columns that earlier publications lack
        NULL::VARCHAR AS row_code,
        NULL::VARCHAR AS outcome,
        NULL::VARCHAR AS why,
        NULL::VARCHAR AS other_division
    WHERE false
)
ORDER BY person_id, found_date DESC, batch_id;
