-- title: 出生登记儿童 / children of the birth records
-- grain: one row per birth certificate number
-- rules: NB-2
-- columns:
--   birth_key: number key of the birth certificate's number
--   certno: the child's own number from the newest row; a number that is a parent's, or says
--     another year of birth, is somebody else's (NB-2)
--   own_certno: the same, or the only one ever delivered where the newest row has none: a number corrected by a later row
--     is still the child's, and the child the same person
--   first_had_certno: whether the first delivered row already had a number (contract 3.1)
WITH
delivered AS (
    SELECT
        birth_cert_no,
        row_no,
        child_number(certno, brdy, mother_certno, father_certno) AS certno
    FROM staged_birth
),

newest AS (
    SELECT
        b.row_no, b.birth_cert_no, b.psn_name, b.gend, b.brdy, b.mother_name, b.mother_certno, b.father_certno,
        b.live_code, d.certno
    FROM src_birth AS b
    INNER JOIN delivered AS d ON b.row_no = d.row_no
),

first_row AS (
    SELECT
        birth_cert_no,
        min(row_no) AS first_row_no,
        min(CASE WHEN certno IS NOT NULL THEN row_no END) AS first_certno_row_no,
        min(certno) AS min_certno,
        max(certno) AS max_certno
    FROM delivered
    GROUP BY birth_cert_no
)

SELECT
    b.row_no,
    b.birth_cert_no,
    number_key(b.birth_cert_no) AS birth_key,
    b.certno,
    coalesce(b.certno, CASE WHEN f.min_certno = f.max_certno THEN f.min_certno END) AS own_certno,
    coalesce(f.first_certno_row_no = f.first_row_no, false) AS first_had_certno,
    b.psn_name,
    b.gend,
    b.brdy,
    b.mother_name,
    b.mother_certno,
    b.father_certno,
    code12(b.live_code) AS live_code
FROM newest AS b
INNER JOIN first_row AS f ON b.birth_cert_no = f.birth_cert_no
