-- A publication without the table: nothing was sent out.
CREATE TABLE batch (
    batch_id VARCHAR,
    round_no INTEGER,
    division_code VARCHAR,
    division_name VARCHAR,
    level INTEGER,
    kind VARCHAR,
    sent DATE,
    due DATE,
    dispatched BIGINT,
    returned BIGINT,
    adopted BIGINT,
    contradicted BIGINT,
    not_adopted BIGINT,
    disputed BIGINT,
    closed BIGINT,
    outstanding BIGINT,
    overdue BIGINT,
    enrolled_since BIGINT,
    zero_confirmed BOOLEAN,
    state VARCHAR,
    tree INTEGER
);
