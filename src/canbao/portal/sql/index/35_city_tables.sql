-- Small tables that speak of no single person.
CREATE TABLE rule AS
SELECT rule_id, title, document, clause
FROM read_parquet(getvariable('published').rule)
ORDER BY rule_id;

CREATE TABLE source_day AS
SELECT source, max(delivery) AS delivery
FROM read_parquet(getvariable('published').load_file)
WHERE state = 'accepted'
GROUP BY source
ORDER BY source;
