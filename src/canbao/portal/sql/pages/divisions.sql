SELECT division_code, division_name, level, parent_code, tree_no, tree_last FROM division ORDER BY tree_no;
