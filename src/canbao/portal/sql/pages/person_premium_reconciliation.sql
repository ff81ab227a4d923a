SELECT *
FROM premium_reconciliation
WHERE person_id = $id
ORDER BY class, psn_insu_rlts_id, pay_id;
