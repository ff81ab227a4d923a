-- title: 其他来源的号码 / numbers of the small sources with their person
-- grain: one row per row of a source that is neither population, enrollment, its history nor tax payment
-- parts: laid out
-- columns:
--   odd_certno: the number as written, where that is not the 18 digits of its key
WITH
numbered AS (
    SELECT 'death' AS source, row_no, certno, psn_name, NULL::DATE AS brdy FROM src_death
    UNION ALL
    SELECT 'student', row_no, certno, psn_name, NULL FROM src_student
    UNION ALL
    SELECT 'employment', row_no, certno, NULL, NULL FROM src_employment
    UNION ALL
    SELECT 'aid_recipient', row_no, certno, NULL, NULL FROM src_aid_recipient
    UNION ALL
    SELECT 'veteran', row_no, certno, NULL, NULL FROM src_veteran
    UNION ALL
    SELECT 'custody', row_no, certno, NULL, NULL FROM src_custody
    UNION ALL
    SELECT 'vaccination', row_no, certno, psn_name, brdy FROM src_vaccination
    UNION ALL
    SELECT 'annual_claim', row_no, certno, NULL, NULL FROM src_annual_claim
    UNION ALL
    SELECT 'grid_feedback', row_no, certno, NULL, NULL FROM src_grid_feedback
    UNION ALL
    -- a child that has a number goes by it, one without by the birth certificate's
    SELECT 'birth', row_no, coalesce(certno, birth_cert_no), psn_name, brdy FROM birth_child
),

keyed AS (
    SELECT *, number_key(certno) AS number_key
    FROM numbered
    WHERE certno IS NOT NULL
)

SELECT
    k.source,
    k.row_no,
    k.number_key,
    coalesce(l.person_key, k.number_key) AS person_key,
    odd_number(k.certno, k.number_key) AS odd_certno,
    k.psn_name,
    k.brdy
FROM keyed AS k
LEFT JOIN number_link AS l ON k.number_key = l.number_key
