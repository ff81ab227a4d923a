SELECT max(cast(substr(receipt_no, 11) AS INTEGER)) FROM receipt
WHERE receipt_no >= :day AND receipt_no < :day || '~'
