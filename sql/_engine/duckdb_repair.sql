-- What departments are asked to repair: empty tables until a night fills them (src/canbao/quality/repair/rows.py).

-- answers of departments: rows that are right as they are, or that they will not change
CREATE TABLE known_item (measure_id VARCHAR, item_id VARCHAR, content VARCHAR);

-- measures that were computed tonight and whose wrong rows are sent to a department
CREATE TABLE repair_measure (
    measure_id VARCHAR, source VARCHAR, department VARCHAR, problem VARCHAR, suggestion VARCHAR
);

-- rows that are wrong by such a measure, as the scan of the measures numbers them
CREATE TABLE wrong_line (measure_id VARCHAR, row_no BIGINT);

-- wrong rows of the sources. content: digest of the columns shown and, behind the colon, keyed digest of their values;
-- known: a department has confirmed the row and what is shown of it has not changed since
CREATE TABLE wrong_row (
    source VARCHAR, measure_id VARCHAR, item_id VARCHAR, division_code VARCHAR, delivery DATE, file VARCHAR, line INTEGER,
    key_text VARCHAR, shown VARCHAR, content VARCHAR, problem VARCHAR, suggestion VARCHAR, known BOOLEAN
);

-- keyed hash of a wrong row: 20 hex digits, the same every night
CREATE MACRO item_hash(secret, source, measure_id, x) AS substr(
    sha256(secret || ' item ' || source || ' ' || measure_id || ' ' || x), 1, 20
);
-- keyed digest of what is shown of a row
CREATE MACRO content_hash(secret, x) AS substr(sha256(secret || ' shown ' || x), 1, 12);
