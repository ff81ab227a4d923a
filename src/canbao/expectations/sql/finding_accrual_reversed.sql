-- payments whose accrual ends before it begins
SELECT * FROM {batch} WHERE accrym_end < accrym_begn
