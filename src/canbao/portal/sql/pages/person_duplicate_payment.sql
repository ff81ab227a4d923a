SELECT *
FROM duplicate_payment
WHERE person_id = $id
ORDER BY insu_year, pay_id;
