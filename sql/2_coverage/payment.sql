-- title: 缴费归属 / payments with the relation they belong to
-- grain: one row per payment of a basic insurance that is not a repair
-- rules: DUP-5, PER-7
-- parts: computed
-- columns:
--   rel_no: row_no of the relation: same person, type and place, same employer where both name one;
--     of several the one begun last before the accrual's end (contract 3.2); null where there is none
WITH
counted AS (
    SELECT
        person_key,
        insutype_no,
        count(*) AS relations,
        any_value(row_no) AS rel_no,
        any_value(place_key) AS place_key,
        any_value(uscc_key) AS uscc_key
    FROM relation_row
    WHERE NOT is_elsewhere AND system IS NOT NULL
    GROUP BY person_key, insutype_no
),

-- most people have one relation of a type: their payments pass with one look; only the others are weighed against each other
several AS (
    SELECT
        p.row_no,
        p.person_key,
        p.insutype_no,
        p.is_staff,
        p.begn_no,
        p.end_no,
        p.amount,
        p.paid_date,
        p.tier,
        p.place_key,
        p.uscc_key
    FROM payment_row AS p
    INNER JOIN counted AS c ON p.person_key = c.person_key AND p.insutype_no = c.insutype_no
    WHERE c.relations > 1 AND p.is_staff IS NOT NULL AND NOT p.is_repair
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
                r.psn_insu_stas IS DISTINCT FROM '1',
                r.psn_insu_rlts_id
        ) AS rank_no
    FROM several AS b
    INNER JOIN relation_row AS r ON b.person_key = r.person_key AND b.insutype_no = r.insutype_no
    WHERE
        NOT r.is_elsewhere
        AND (b.place_key IS NULL OR b.place_key = r.place_key)
        AND (b.uscc_key IS NULL OR r.uscc_key IS NULL OR b.uscc_key = r.uscc_key)
)

SELECT
    p.row_no,
    p.person_key,
    p.insutype_no,
    p.is_staff,
    p.begn_no,
    p.end_no,
    p.amount,
    p.paid_date,
    p.tier,
    CASE
        WHEN
            (p.place_key IS NULL OR p.place_key = c.place_key)
            AND (p.uscc_key IS NULL OR c.uscc_key IS NULL OR p.uscc_key = c.uscc_key)
            THEN c.rel_no
    END AS rel_no
FROM payment_row AS p
LEFT JOIN counted AS c ON p.person_key = c.person_key AND p.insutype_no = c.insutype_no
WHERE p.is_staff IS NOT NULL AND NOT p.is_repair AND coalesce(c.relations, 0) <= 1
UNION ALL
SELECT
    b.row_no, b.person_key, b.insutype_no, b.is_staff, b.begn_no, b.end_no, b.amount, b.paid_date, b.tier, c.rel_no
FROM several AS b
LEFT JOIN (SELECT row_no, rel_no FROM candidate WHERE rank_no = 1) AS c ON b.row_no = c.row_no
