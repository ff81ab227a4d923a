-- The newest row of each key of a source: a later delivery or a later line replaces the earlier row (contract 2).
-- Few keys are repeated, so the repeated ones are found once and all other rows pass through untouched.
CREATE TABLE repeated_{source} AS
SELECT {key}, max(row_no) AS newest_row_no, count(*) AS rows_of_key
FROM staged_{source}
GROUP BY {key}
HAVING count(*) > 1;

CREATE VIEW src_{source} AS
SELECT s.*
FROM staged_{source} AS s
LEFT JOIN repeated_{source} AS r USING ({key})
WHERE r.newest_row_no IS NULL OR r.newest_row_no = s.row_no;
