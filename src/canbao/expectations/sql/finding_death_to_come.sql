-- deaths after the as-of date
SELECT s.* FROM {batch} AS s CROSS JOIN run_input AS run WHERE s.death_date > run.as_of
