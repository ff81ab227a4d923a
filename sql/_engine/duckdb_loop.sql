-- What was sent to the villages up to the as-of date (canbao.loop.night fills both; empty where nothing was).

-- One row per row of a batch.
CREATE TABLE sent_row (
    row_code VARCHAR,
    batch_no INTEGER,
    batch_id VARCHAR,
    serial INTEGER,
    person_id VARCHAR,
    division_code VARCHAR,
    role VARCHAR,
    sent DATE,
    due DATE
);

-- One row per batch. kind: list, zero. zero_on: the day its zero report was confirmed.
CREATE TABLE sent_batch (
    batch_no INTEGER,
    batch_id VARCHAR,
    round_no INTEGER,
    division_code VARCHAR,
    division_name VARCHAR,
    level INTEGER,
    kind VARCHAR,
    rows INTEGER,
    sent DATE,
    due DATE,
    is_recalled BOOLEAN,
    zero_on DATE
);
