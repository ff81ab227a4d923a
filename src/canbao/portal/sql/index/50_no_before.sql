-- The first publication of its insured year is compared with nothing.
CREATE TABLE before (
    person_id UUID,
    certno VARCHAR,
    psn_name VARCHAR,
    gend VARCHAR,
    age INTEGER,
    household_no VARCHAR,
    uninsured_reason VARCHAR,
    household_tree INTEGER,
    residence_tree INTEGER
);
