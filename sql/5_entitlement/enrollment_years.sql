-- title: 连续参保与断保年数 / years insured without a break, lapsed, repaired
-- grain: one row per person with a resident relation of the insured year
-- rules: WAIT-4, WAIT-7, WAIT-8, CAP-1, CAP-5, CAP-7
-- parts: computed
-- columns:
--   continuous_years: resident years of the unbroken run that ends with the insured year; staff years neither count nor break
--   reward_years: those of them that cap.k_from_year lets count
--   lapsed_years: uncovered years just before the insured year, after a covered one, from waiting.lapse_from_year on
--   penalty_years: all uncovered years since then, after a covered one
--   repaired_years: lapsed years paid for afterwards (pay_type 32)
WITH
bits AS (
    SELECT
        e.person_key,
        coalesce(c.any_bits, 0) AS any_bits,
        coalesce(c.resident_bits, 0) AS resident_bits,
        coalesce(n.neutral_bits, 0) AS neutral_bits,
        run.insured_year - 1990 AS year_bit,
        (1::BIGINT << (run.insured_year - 1990)) - 1 AS before_mask,
        (1::BIGINT << greatest(0, coalesce(run.waiting_lapse_from_year, run.insured_year) - 1990)) - 1 AS too_early_mask,
        (1::BIGINT << greatest(0, coalesce(run.cap_k_from_year, 1990) - 1990)) - 1 AS not_rewarded_mask
    FROM entitled_relation AS e
    CROSS JOIN run
    LEFT JOIN person_cover AS c ON e.person_key = c.person_key
    LEFT JOIN neutral_year AS n ON e.person_key = n.person_key
),

bounded AS (
    SELECT
        *,
        -- years that neither cover nor are neutral: the last of them ends the run,
        -- as does an insured year that is no resident one
        (before_mask & ~(any_bits | neutral_bits)) | ((before_mask + 1) & ~resident_bits) AS gap_bits,
        any_bits & before_mask AS earlier_bits
    FROM bits
),

repair AS (
    -- one payment may repair several years
    SELECT p.person_key, p.amount, unnest(range(p.begn_no // 12, p.end_no // 12 + 1))::INTEGER AS year
    FROM payment_row AS p
    CROSS JOIN run
    WHERE
        p.is_repair AND NOT p.is_staff AND p.paid_date <= run.as_of
        AND p.begn_no // 12 >= 1990 AND p.end_no // 12 <= 2050
),

repaired_year AS (
    SELECT person_key, year
    FROM repair
    GROUP BY person_key, year
    HAVING sum(amount) > 0
),

repaired AS (
    SELECT person_key, bit_or(1::BIGINT << (year - 1990)) AS repaired_bits
    FROM repaired_year
    GROUP BY person_key
),

counted AS (
    SELECT
        b.*,
        -- everything above the last gap
        CASE WHEN b.gap_bits = 0 THEN 0 ELSE (1::BIGINT << (last_bit(b.gap_bits) + 1)) - 1 END AS below_run_mask,
        CASE
            WHEN b.earlier_bits = 0 THEN 0
            ELSE
                b.before_mask & ~((1::BIGINT << (last_bit(b.earlier_bits) + 1)) - 1)
                & ~b.too_early_mask & ~b.neutral_bits
        END AS lapsed_bits,
        CASE
            WHEN b.earlier_bits = 0 THEN 0
            ELSE
                b.before_mask & ~((b.earlier_bits & -b.earlier_bits) - 1)
                & ~b.too_early_mask & ~b.neutral_bits & ~b.any_bits
        END AS penalty_bits,
        coalesce(r.repaired_bits, 0) AS repaired_bits
    FROM bounded AS b
    LEFT JOIN repaired AS r ON b.person_key = r.person_key
)

SELECT
    person_key,
    bit_count(resident_bits & (before_mask * 2 + 1) & ~below_run_mask)::INTEGER AS continuous_years,
    bit_count(resident_bits & (before_mask * 2 + 1) & ~below_run_mask & ~not_rewarded_mask)::INTEGER AS reward_years,
    bit_count(lapsed_bits)::INTEGER AS lapsed_years,
    bit_count(penalty_bits)::INTEGER AS penalty_years,
    bit_count(lapsed_bits & repaired_bits)::INTEGER AS repaired_years,
    earlier_bits = 0 AS is_first_time
FROM counted
