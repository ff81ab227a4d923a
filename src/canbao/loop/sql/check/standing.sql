-- what stands about each row of a batch, and about each person answered for without one: the newest confirmed answer,
-- whatever day it was found on, as the landing area has it. grain: person, division and batch
SELECT
    person_id,
    division_code,
    batch_no,
    reason_code,
    found_date,
    end_date,
    note,
    receipt_no
FROM earlier
WHERE person_id IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY person_id, division_code, batch_no ORDER BY day DESC, moment DESC, length(receipt_no) DESC, receipt_no DESC, n DESC
) = 1
