-- title: 税务医保对账 / relations and payments without their other half
-- grain: one row per finding on a relation or a payment of the insured year
-- rules: DUP-5, PER-2, AID-2, LED-7
-- publish: person_id, class, psn_insu_rlts_id, pay_id
-- joins: as written
-- columns:
--   person_id: the person [sensitive]
--   class: normal_unpaid, paid_without_record, paid_but_stopped, paid_after_death, amount_unexpected
--   psn_insu_rlts_id: the relation
--   pay_id: the payment
--   amount: yuan; 0 where nothing was paid
--   expected_amt: amounts that would have been right (class amount_unexpected)
--   rule_id: rule that the finding rests on
--   insutype: insurance type
--   insu_admdvs: place as delivered
--   paid_date: day of the payment
WITH
recent AS (
    -- payments that reach into the insured year or the as-of date's year
    SELECT p.row_no, p.person_key, p.insutype_no, p.is_staff, p.begn_no, p.end_no, p.amount, p.paid_date, p.rel_no
    FROM payment AS p
    CROSS JOIN run
    WHERE p.end_no >= least(run.year_first_month, run.as_of_month - run.as_of_month % 12) AND p.amount > 0
),

-- what was given back without a record of where, and is more than what was paid without one: it takes from no relation,
-- so that somebody has to say which one it was meant for
loose_refund AS (
    SELECT p.person_key, p.row_no
    FROM payment AS p
    INNER JOIN (
        SELECT o.person_key, o.is_staff
        FROM payment AS o
        CROSS JOIN run
        WHERE
            o.rel_no IS NULL AND o.end_no >= least(run.year_first_month, run.as_of_month - run.as_of_month % 12)
            AND o.person_key IN (SELECT n.person_key FROM payment AS n WHERE n.amount < 0 AND n.rel_no IS NULL)
        GROUP BY o.person_key, o.is_staff
        HAVING sum(o.amount) < 0
    ) AS s ON p.person_key = s.person_key AND p.is_staff = s.is_staff
    CROSS JOIN run
    WHERE
        p.amount < 0 AND p.rel_no IS NULL
        AND p.end_no >= least(run.year_first_month, run.as_of_month - run.as_of_month % 12)
),

aid_best AS (
    SELECT person_key, tier1_personal, tier2_personal
    FROM aid
    WHERE in_force
    QUALIFY row_number() OVER (PARTITION BY person_key ORDER BY priority, aid_type) = 1
),

aid_then AS (
    SELECT p.row_no, p.amount, d.tier1_personal, d.tier2_personal
    FROM recent AS p
    INNER JOIN aid AS d ON p.person_key = d.person_key
    WHERE NOT p.is_staff AND p.paid_date BETWEEN d.begn_date AND coalesce(d.end_date, p.paid_date)
    QUALIFY row_number() OVER (PARTITION BY p.row_no ORDER BY d.priority, d.aid_type) = 1
),

found AS (
    SELECT
        r.person_key,
        'normal_unpaid' AS class,
        r.row_no AS rel_no,
        NULL::BIGINT AS pay_no,
        'DUP-5' AS rule_id,
        NULL::DECIMAL(14, 2)[] AS expected_amt
    FROM relation AS r
    WHERE
        NOT r.is_elsewhere AND r.is_normal
        AND CASE r.system WHEN 'resident' THEN r.of_year AND NOT r.covers_year ELSE NOT r.covers_now END
    UNION ALL
    SELECT p.person_key, 'paid_without_record', NULL, p.row_no, 'DUP-5', NULL
    FROM recent AS p
    WHERE p.rel_no IS NULL
    UNION ALL
    SELECT person_key, 'paid_without_record', NULL, row_no, 'DUP-5', NULL
    FROM loose_refund
    UNION ALL
    SELECT p.person_key, 'paid_but_stopped', p.rel_no, p.row_no, 'DUP-5', NULL
    FROM recent AS p
    INNER JOIN relation_row AS r ON p.rel_no = r.row_no
    WHERE
        r.is_stopped
        AND CASE
            WHEN p.is_staff THEN p.end_no > date_month_no(coalesce(r.end_date, r.begn_date))
            ELSE p.end_no >= date_month_no(coalesce(r.end_date, r.begn_date))
        END
    UNION ALL
    SELECT p.person_key, 'paid_after_death', p.rel_no, p.row_no, 'LED-7', NULL
    FROM recent AS p
    INNER JOIN death_person AS d ON p.person_key = d.person_key
    WHERE d.death_date IS NOT NULL AND (p.paid_date > d.death_date OR p.begn_no > date_month_no(d.death_date))
    UNION ALL
    -- PER-2: the tiers; with aid its personal shares; outside the window the tier plus the subsidy
    SELECT
        p.person_key, 'amount_unexpected', p.rel_no, p.row_no, 'PER-2',
        list_sort(list_distinct([y.tier1_amt, y.tier2_amt, a.tier1_personal, a.tier2_personal]))
    FROM recent AS p
    CROSS JOIN run
    INNER JOIN year_param AS y ON p.begn_no // 12 = y.insu_year
    LEFT JOIN aid_best AS a ON p.person_key = a.person_key
    WHERE
        NOT p.is_staff
        AND p.begn_no // 12 = p.end_no // 12
        AND y.tier1_amt IS NOT NULL
        AND NOT coalesce(p.amount IN (y.tier1_amt, y.tier2_amt), false)
        AND NOT coalesce(p.amount IN (a.tier1_personal, a.tier2_personal), false)
        -- aid that was in force when it was paid counts as tonight's does
        AND p.row_no NOT IN (SELECT row_no FROM aid_then WHERE amount IN (tier1_personal, tier2_personal))
        AND NOT coalesce(
            p.paid_date > y.window_end AND p.amount IN (y.tier1_amt + y.subsidy_amt, y.tier2_amt + y.subsidy_amt), false
        )
),

-- what was paid and given back leaves nothing to reconcile: a resident's payment must stand, of a staff payment's months
-- one must still be covered by it
given_back AS (
    SELECT DISTINCT person_key FROM payment WHERE amount < 0
),

doubted AS (
    SELECT *
    FROM recent
    WHERE
        person_key IN (SELECT person_key FROM given_back)
        AND row_no IN (SELECT pay_no FROM found WHERE pay_no IS NOT NULL)
),

standing AS (
    SELECT row_no FROM loose_refund
    UNION ALL
    SELECT row_no
    FROM doubted
    WHERE
        NOT is_staff
        AND row_no NOT IN (SELECT row_no FROM refunded_payment GROUP BY row_no HAVING NOT bool_or(stands))
    UNION ALL
    SELECT p.row_no
    FROM covered_year AS c
    INNER JOIN doubted AS p
        ON
            p.person_key = c.person_key
            AND p.rel_no IS NOT DISTINCT FROM c.rel_no
            AND p.insutype_no = c.insutype_no
    WHERE
        p.is_staff
        AND c.year BETWEEN p.begn_no // 12 AND p.end_no // 12
        AND c.month_bits
        & ((1 << (least(p.end_no, c.year * 12 + 11) % 12 + 1)) - (1 << (greatest(p.begn_no, c.year * 12) % 12))) <> 0
),

told AS (
    SELECT row_no, pay_id, amount, insutype, insu_admdvs, paid_date
    FROM src_tax_payment
    WHERE row_no IN (SELECT pay_no FROM found WHERE pay_no IS NOT NULL)
),

told_relation AS (
    SELECT row_no, psn_insu_rlts_id, insutype, insu_admdvs
    FROM relation_row
    WHERE row_no IN (SELECT rel_no FROM found WHERE rel_no IS NOT NULL)
)

SELECT
    i.person_id,
    f.class,
    r.psn_insu_rlts_id,
    t.pay_id,
    coalesce(t.amount, 0)::DECIMAL(14, 2) AS amount,
    coalesce(f.expected_amt, []::DECIMAL(14, 2)[]) AS expected_amt,
    f.rule_id,
    coalesce(r.insutype, t.insutype) AS insutype,
    coalesce(r.insu_admdvs, t.insu_admdvs) AS insu_admdvs,
    t.paid_date
FROM person_identity AS i
INNER JOIN found AS f ON i.person_key = f.person_key
LEFT JOIN told_relation AS r ON f.rel_no = r.row_no
LEFT JOIN told AS t ON f.pay_no = t.row_no
WHERE
    f.pay_no IS NULL
    OR f.person_key NOT IN (SELECT person_key FROM given_back)
    OR f.pay_no IN (SELECT row_no FROM standing)
