SELECT *
FROM entitlement
WHERE person_id = $id
ORDER BY psn_insu_rlts_id;
