-- What was sent out to the villages: empty tables until a night fills them (src/canbao/loop/night.py).

-- one row per person and responsible division sent out by the as-of date
CREATE TABLE sent_row (
    row_code VARCHAR, batch_no INTEGER, batch_id VARCHAR, serial INTEGER, person_id VARCHAR, division_code VARCHAR,
    role VARCHAR, sent DATE, due DATE
);

-- batches sent out by the as-of date. kind: list, zero (nobody to ask); zero_on: day on which the zero was confirmed
CREATE TABLE sent_batch (
    batch_no INTEGER, batch_id VARCHAR, round_no INTEGER, division_code VARCHAR, level INTEGER, kind VARCHAR,
    rows INTEGER, sent DATE, due DATE, is_recalled BOOLEAN, zero_on DATE
);
