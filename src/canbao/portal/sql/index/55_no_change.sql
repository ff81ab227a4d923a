-- A publication without the table: nobody's change has a cause.
CREATE TABLE change (
    person_id UUID,
    was VARCHAR,
    "is" VARCHAR,
    reason_was VARCHAR,
    reason_is VARCHAR,
    cause VARCHAR,
    detail VARCHAR
);
