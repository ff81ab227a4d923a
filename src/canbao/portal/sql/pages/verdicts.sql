SELECT product, title, verdict, check_ids, reason FROM verdict ORDER BY product;
