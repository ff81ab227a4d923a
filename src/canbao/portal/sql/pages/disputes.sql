SELECT *
FROM dispute
WHERE
    ($person IS NULL OR person_id = $person)
    AND (household_tree BETWEEN $t0 AND $t1 OR residence_tree BETWEEN $t0 AND $t1);
