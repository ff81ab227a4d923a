SELECT source, delivery FROM source_day ORDER BY source;
