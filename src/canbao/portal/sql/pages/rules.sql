SELECT rule_id, title, document, clause FROM rule ORDER BY rule_id;
