-- title: 参保关系行 / enrollment relations of this city and elsewhere with their person
-- grain: one row per enrollment relation
-- rules: DUP-2, DUP-4
-- parts: laid out
-- columns:
--   odd_certno: the number as written, where that is not the 18 digits of its key
--   system: staff or resident; null for supplements and unknown types, which enroll nobody by themselves (DUP-4)
--   place_key: six digits of insu_admdvs, by which places are compared (contract 3.4), as a hash
--   is_normal: status normal and not ended before the as-of date
--   is_stopped: paused or terminated
WITH
own_repeated AS (
    SELECT e.row_no
    FROM src_enrollment AS own
    INNER JOIN src_enrollment_elsewhere AS e ON own.psn_insu_rlts_id = e.psn_insu_rlts_id
    WHERE
        -- asked of the few that share an id, and so no part of the join
        coalesce(
            number_key(own.certno) = number_key(e.certno)
            AND own.insutype = e.insutype
            AND place6(own.insu_admdvs) = place6(e.insu_admdvs),
            false
        )
),

both_sources AS (
    SELECT *, false AS is_elsewhere
    FROM src_enrollment
    UNION ALL BY NAME
    -- the national feed may repeat this city's own relations; another place's may have the same id
    SELECT *, true AS is_elsewhere
    FROM src_enrollment_elsewhere
    WHERE row_no NOT IN (SELECT row_no FROM own_repeated)
),

keyed AS (
    SELECT
        b.*,
        number_key(b.certno) AS number_key,
        coalesce(t.is_flexible = 'true', false) AS is_flexible,
        -- retired are all of 12xx (contract 3.2), also those that the code table does not name
        coalesce(t.is_retired = 'true', starts_with(b.psn_type, '12'), false) AS is_retired
    FROM both_sources AS b
    LEFT JOIN code_psn_type_class AS t ON b.psn_type = t.code
)

SELECT
    k.row_no,
    k.number_key,
    coalesce(l.person_key, k.number_key) AS person_key,
    k.psn_insu_rlts_id,
    k.psn_no,
    odd_number(k.certno, k.number_key) AS odd_certno,
    k.psn_cert_type,
    k.psn_name,
    k.insutype,
    try_cast(k.insutype AS SMALLINT) AS insutype_no,
    c.system,
    coalesce(c.needs_payment = 'false', false) OR k.is_retired AS needs_no_payment,
    k.is_flexible,
    k.is_retired,
    k.psn_type,
    k.psn_insu_stas,
    k.insu_admdvs,
    join_key(place6(k.insu_admdvs)) AS place_key,
    CASE WHEN k.uscc IS NOT NULL THEN join_key(k.uscc) END AS uscc_key,
    k.emp_name,
    k.uscc,
    k.begn_date,
    k.end_date,
    k.tier,
    k.guardian_certno,
    k.is_elsewhere,
    k.psn_insu_stas = '1' AND (k.end_date IS NULL OR k.end_date >= run.as_of) AS is_normal,
    k.psn_insu_stas IN ('2', '4') OR (k.psn_insu_stas = '1' AND coalesce(k.end_date < run.as_of, false)) AS is_stopped
FROM keyed AS k
CROSS JOIN run
LEFT JOIN number_link AS l ON k.number_key = l.number_key
LEFT JOIN code_insutype_class AS c ON k.insutype = c.code
