SELECT n FROM person_lookup WHERE person_id = $id;
