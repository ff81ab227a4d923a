SELECT DISTINCT
    tel, contact_name, contact_tel, separated, uninsured_reason, last_insured_year, last_insutype, last_admdvs, priority,
    feedback_reason, feedback_date, feedback_division, feedback_until
FROM worklist
WHERE person_id = $id;
