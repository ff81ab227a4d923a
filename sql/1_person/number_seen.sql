-- title: 特殊形式的号码 / numbers as sources wrote them that are not a plain 18-digit number
-- grain: one row per number text
-- columns:
--   number_key: its key; a 15-digit number has the key of its 18-digit form
--   seen_in_certno: whether a source carries it as somebody's number, not only as a used-to-be or birth number
WITH
odd AS (
    SELECT number_key, person_key, odd_certno AS number, true AS seen_in_certno
    FROM population_row
    WHERE odd_certno IS NOT NULL
    UNION ALL
    SELECT number_key, person_key, odd_certno, true
    FROM relation_row
    WHERE odd_certno IS NOT NULL
    UNION ALL
    SELECT number_key, person_key, odd_certno, true
    FROM other_row
    WHERE odd_certno IS NOT NULL AND source <> 'birth'
    UNION ALL
    SELECT number_key(h.certno), coalesce(l.person_key, number_key(h.certno)), h.certno, true
    FROM src_enrollment_history AS h
    LEFT JOIN number_link AS l ON number_key(h.certno) = l.number_key
    WHERE NOT has_18_form(h.certno)
    UNION ALL
    SELECT p.number_key, p.person_key, t.certno, true
    FROM payment_row AS p
    INNER JOIN src_tax_payment AS t ON p.row_no = t.row_no
    WHERE p.has_other_length OR p.number_key < 0
    UNION ALL
    SELECT number_key(p.old_certno), coalesce(l.person_key, number_key(p.old_certno)), p.old_certno, false
    FROM src_population AS p
    LEFT JOIN number_link AS l ON number_key(p.old_certno) = l.number_key
    WHERE p.old_certno IS NOT NULL
    UNION ALL
    SELECT b.birth_key, coalesce(l.person_key, b.birth_key), b.birth_cert_no, false
    FROM birth_child AS b
    LEFT JOIN number_link AS l ON b.birth_key = l.number_key
)

SELECT number_key, min(person_key) AS person_key, number, bool_or(seen_in_certno) AS seen_in_certno
FROM odd
GROUP BY number_key, number
