-- title: 人员标识 / identity of every person
-- grain: one row per person
-- rules: DUP-8
-- joins: as written
-- parts: laid out
-- columns:
--   person_id: keyed hash of the person's first number (contract 3.1) [sensitive]
--   certno: the number in force, 15 digits in their 18-digit form [sensitive]
--   cert_check: ok, derived_18, bad_check, bad_format, temporary, other_type
WITH
linked AS (
    -- of a person outside the population, the number that came last
    SELECT person_key, max(number_key) AS number_key
    FROM number_link
    GROUP BY person_key
),

main AS (
    SELECT
        k.person_key,
        -- a birth certificate's number gives way to a certificate number
        coalesce(
            p.number_key, CASE WHEN l.number_key >= 0 OR k.person_key < 0 THEN l.number_key END, k.person_key
        ) AS number_key,
        p.psn_cert_type
    FROM person_key AS k
    LEFT JOIN population_person AS p ON k.person_key = p.person_key
    LEFT JOIN linked AS l ON k.person_key = l.person_key
),

written AS (
    SELECT number_key, min(number) AS number, bool_or(seen_in_certno) AS seen_in_certno
    FROM number_seen
    WHERE number_key < 0
    GROUP BY number_key
),

other_type AS (
    -- the certificate's type as the enrollment by this very number says it, for who is not in the population
    SELECT number_key, min(psn_cert_type) AS psn_cert_type
    FROM relation_row
    WHERE psn_cert_type IS NOT NULL AND number_key IN (SELECT number_key FROM main WHERE psn_cert_type IS NULL)
    GROUP BY number_key
),

bad_check AS (
    -- numbers in a circle of used-to-be numbers may be those of two persons
    SELECT DISTINCT number_key
    FROM unsound_key
),

texted AS (
    SELECT
        m.person_key,
        m.number_key,
        coalesce(m.psn_cert_type, t.psn_cert_type, '01') AS psn_cert_type,
        CASE WHEN m.number_key >= 0 THEN key_text(m.number_key) ELSE w.number END AS number,
        m.number_key >= 0 OR w.seen_in_certno AS is_certno,
        CASE WHEN m.person_key >= 0 THEN key_text(m.person_key) ELSE f.number END AS first_number,
        o.number_key IS NOT NULL AS only_15,
        u.number_key IS NOT NULL AS has_bad_check
    FROM main AS m
    LEFT JOIN written AS w ON m.number_key = w.number_key
    LEFT JOIN written AS f ON m.person_key = f.number_key
    LEFT JOIN number_15 AS o ON m.number_key = o.number_key
    LEFT JOIN other_type AS t ON m.number_key = t.number_key
    LEFT JOIN bad_check AS u ON m.number_key = u.number_key
),

dated AS (
    SELECT
        *,
        -- digits 7 to 14; a day that every month has needs no look at the text
        CASE
            WHEN number_key < 0 THEN NULL
            WHEN number_key // 16000 % 100 BETWEEN 1 AND 28 AND number_key // 1600000 % 100 BETWEEN 1 AND 12
                THEN make_date(
                    number_key // 160000000 % 10000, number_key // 1600000 % 100, number_key // 16000 % 100
                )
            ELSE
                try_cast(substr(number, 7, 4) || '-' || substr(number, 11, 2) || '-' || substr(number, 13, 2) AS DATE)
        END AS number_brdy
    FROM texted
)

SELECT
    d.person_key,
    keyed_hash(s.secret, d.first_number) AS person_id,
    CASE WHEN d.is_certno THEN d.number END AS certno,
    d.psn_cert_type,
    CASE
        WHEN NOT d.is_certno THEN 'temporary'
        WHEN d.number_key < 0 AND d.psn_cert_type IN ('01', '99') AND regexp_matches(d.number, '^[A-Z][0-9]{9}$')
            THEN 'temporary'
        WHEN d.psn_cert_type NOT IN ('01', '17') THEN 'other_type'
        WHEN d.number_key < 0 OR d.number_brdy IS NULL THEN 'bad_format'
        WHEN d.only_15 THEN 'derived_18'
        WHEN d.has_bad_check THEN 'bad_check'
        ELSE 'ok'
    END AS cert_check,
    d.number_brdy,
    CASE
        WHEN d.number_brdy IS NULL THEN NULL
        WHEN d.number_key // 16 % 2 = 1 THEN '1'
        ELSE '2'
    END AS number_gend
FROM dated AS d
CROSS JOIN secret AS s
