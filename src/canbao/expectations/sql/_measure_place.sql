-- What the scan of a table counted (`scanned`): places are counted by six digits and only then led to the districts of today.
INSERT INTO measure_count
WITH
placed AS (
    SELECT d.l2 AS district, c.measure_id, c.numerator, c.denominator
    FROM scanned AS c
    LEFT JOIN division_successor AS s ON code12(c.place) = s.division_code
    LEFT JOIN division_now AS d ON s.current_code = d.division_code
)

SELECT measure_id, coalesce(district, '') AS division_code, sum(numerator)::BIGINT, sum(denominator)::BIGINT
FROM placed
GROUP BY GROUPING SETS ((measure_id), (measure_id, district))
HAVING grouping(district) = 1 OR district IS NOT NULL;

INSERT INTO wrong_line
SELECT measure_id, unnest(wrong)
FROM scanned;
