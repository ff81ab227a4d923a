UPDATE returned_row SET state = :state WHERE receipt_no = :receipt_no AND n = :n
