-- title: 缴费归属 / payments with the relation they belong to
-- grain: one row per payment of a basic insurance that is not a repair
-- rules: DUP-5, PER-7
-- columns:
--   rel_no: row_no of the relation: same person, type and place, same employer where both name one;
--     of several the one begun last before the accrual's end (contract 3.2); null where there is none
WITH
counted AS (
    SELECT person_key, insutype, count(*) AS relations, min(row_no) AS rel_no
    FROM relation_row
    WHERE NOT is_elsewhere
    GROUP BY person_key, insutype
),

basic AS (
    SELECT p.*, c.relations, c.rel_no AS sole_rel_no
    FROM payment_row AS p
    LEFT JOIN counted AS c ON p.person_key = c.person_key AND p.insutype = c.insutype
    WHERE p.system IS NOT NULL AND NOT p.is_repair
),

sole AS (
    SELECT
        b.* EXCLUDE (relations, sole_rel_no),
        CASE
            WHEN
                (b.place6 IS NULL OR b.place6 = r.place6)
                AND (b.uscc IS NULL OR r.uscc IS NULL OR b.uscc = r.uscc)
                THEN r.row_no
        END AS rel_no
    FROM basic AS b
    LEFT JOIN relation_row AS r ON b.sole_rel_no = r.row_no
    WHERE coalesce(b.relations, 0) <= 1
),

candidate AS (
    SELECT
        b.row_no,
        r.row_no AS rel_no,
        row_number() OVER (
            PARTITION BY b.row_no
            ORDER BY
                (date_month_no(r.begn_date) <= b.end_no) DESC,
                CASE WHEN date_month_no(r.begn_date) <= b.end_no THEN r.begn_date END DESC NULLS LAST,
                r.begn_date,
                r.psn_insu_rlts_id
        ) AS rank_no
    FROM basic AS b
    INNER JOIN relation_row AS r ON b.person_key = r.person_key AND b.insutype = r.insutype
    WHERE
        b.relations > 1
        AND NOT r.is_elsewhere
        AND (b.place6 IS NULL OR b.place6 = r.place6)
        AND (b.uscc IS NULL OR r.uscc IS NULL OR b.uscc = r.uscc)
),

best AS (
    SELECT row_no, rel_no FROM candidate WHERE rank_no = 1
)

SELECT row_no, person_key, insutype, system, begn_no, end_no, amount, paid_date, tier, rel_no FROM sole
UNION ALL
SELECT b.row_no, b.person_key, b.insutype, b.system, b.begn_no, b.end_no, b.amount, b.paid_date, b.tier, t.rel_no
FROM basic AS b
LEFT JOIN best AS t ON b.row_no = t.row_no
WHERE b.relations > 1
