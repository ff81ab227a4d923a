-- title: 公安人口行 / population rows with their person
-- grain: one row per population row in force
WITH
keyed AS (
    SELECT *, number_key(certno) AS number_key
    FROM src_population
)

SELECT
    k.row_no,
    k.number_key,
    coalesce(l.person_key, k.number_key) AS person_key,
    k.certno,
    k.psn_cert_type,
    k.psn_name,
    k.gend,
    k.brdy,
    code12(k.resd_code) AS resd_code,
    code12(k.live_code) AS live_code,
    k.household_no,
    k.resd_status,
    k.status_date,
    k.resd_permit,
    k.tel
FROM keyed AS k
LEFT JOIN number_link AS l ON k.number_key = l.number_key
