CREATE TABLE verdict (product VARCHAR, title VARCHAR, verdict VARCHAR, check_ids VARCHAR[], reason VARCHAR);
