-- Small tables that speak of no single person.
CREATE TABLE rule AS
SELECT rule_id, title, document, clause
FROM read_parquet(getvariable('publication') || '/rule.parquet')
ORDER BY rule_id;

CREATE TABLE source_day AS
SELECT source, max(delivery) AS delivery
FROM read_parquet(getvariable('publication') || '/load_file.parquet')
WHERE state = 'accepted'
GROUP BY source
ORDER BY source;
