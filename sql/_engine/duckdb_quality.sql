-- Expressions of the measures of data quality (canbao.quality.catalogue).

-- Whether a citizen number can be right: 18 signs with their check digit, or 15 digits with a birth date. Asked of numbers
-- that are not plain 18 digits (unsound_number): the second question only where the first says no, as AND and OR would not.
CREATE MACRO number_is_sound(x) AS (
    CASE
        WHEN substr('0123456789X', check_of(try_cast(substr(x, 1, 17) AS BIGINT)) + 1, 1) = substr(x, 18) THEN true
        ELSE has_15_form(x)
    END
);

-- what the measures rest on: empty tables until a night fills them (src/canbao/quality/measures.py)
CREATE TABLE measure_def (
    measure_id VARCHAR, source VARCHAR, table_name VARCHAR, axis VARCHAR, severity VARCHAR, threshold DOUBLE,
    least BIGINT, figure VARCHAR, trial BOOLEAN
);
CREATE TABLE measure_count (measure_id VARCHAR, division_code VARCHAR, numerator BIGINT, denominator BIGINT);
CREATE TABLE code_count (source VARCHAR, field VARCHAR, code VARCHAR, rows BIGINT);
CREATE TABLE wrong_code (source VARCHAR, field VARCHAR, code VARCHAR);
CREATE TABLE source_delivery (
    source VARCHAR, title VARCHAR, kind VARCHAR, department VARCHAR, rhythm_days INTEGER, has_county BOOLEAN,
    delivered BOOLEAN, delivery DATE, rows_read BIGINT, rows_accepted BIGINT, rows_rejected BIGINT, rows_damaged BIGINT,
    rows_repeated BIGINT, cells_unreadable BIGINT
);
CREATE TABLE delivered_file (source VARCHAR, delivery DATE, sha256 VARCHAR, rows_accepted BIGINT);
CREATE TABLE fallen_county (check_id VARCHAR, county VARCHAR);
CREATE TABLE seen_file (source VARCHAR, delivery DATE, sha256 VARCHAR);
CREATE TABLE measure_history (
    as_of DATE, insu_year INTEGER, measure_id VARCHAR, division_code VARCHAR, numerator BIGINT, denominator BIGINT,
    value DOUBLE, threshold DOUBLE, known BIGINT, failed BOOLEAN
);
CREATE TABLE quality_metric (
    check_id VARCHAR, title VARCHAR, subject VARCHAR, source VARCHAR, table_name VARCHAR, axis VARCHAR,
    severity VARCHAR, numerator BIGINT, denominator BIGINT, value DOUBLE, threshold DOUBLE, passed BOOLEAN,
    state VARCHAR, accept_reason VARCHAR, meaning VARCHAR, harms VARCHAR [], department VARCHAR, known BIGINT,
    trial BOOLEAN, message VARCHAR
);
