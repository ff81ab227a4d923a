-- The rows as they go out, in the order of batch and serial; row codes are put in while they are written.
SELECT
    b.round_no,
    b.batch_no,
    c.serial,
    c.person_id,
    c.division_code,
    c.role,
    o.division_code AS other_division,
    b.sent,
    b.due,
    u.certno,
    u.psn_name,
    u.gend,
    u.brdy,
    u.age,
    u.tel,
    u.household_no,
    u.resd_code,
    u.live_code,
    u.separated,
    u.uninsured_reason,
    u.last_insured_year,
    u.last_insutype,
    u.last_admdvs,
    u.contact_name,
    u.contact_tel,
    u.group_tags,
    u.priority,
    u.feedback_reason,
    u.feedback_date,
    u.feedback_division,
    u.feedback_until,
    u.suggested_reason,
    u.suggested_from
FROM chosen AS c
INNER JOIN numbered AS b ON c.batch_division = b.division_code AND c.part = b.part
INNER JOIN uninsured AS u ON c.person_id = u.person_id
LEFT JOIN responsibility AS o ON c.person_id = o.person_id AND (c.role = 'residence') = (o.role = 'household')
ORDER BY b.batch_no, c.serial
