SELECT DISTINCT measure FROM ledger WHERE parent_tree = 0 ORDER BY measure;
