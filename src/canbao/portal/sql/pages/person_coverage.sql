SELECT *
FROM coverage
WHERE person_id = $id
ORDER BY begn_month, insutype, psn_insu_rlts_id;
