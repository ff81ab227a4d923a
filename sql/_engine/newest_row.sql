-- The newest row of each key of a source: `superseded_<source>` has the others.
SELECT s.*
FROM staged_{source} AS s
WHERE s.row_no NOT IN (SELECT row_no FROM superseded_{source})
