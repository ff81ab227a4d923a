-- The lists, each defined once for its count, its pages and its file. `n` is the row, `k` its place in the order.

-- Everybody whom a cell of the ledger counts: divisions t0 to t1, the measure's bit.
CREATE MACRO people_of(t0, t1, on_basis, measure_bit) AS TABLE
    SELECT rowid AS n, rowid AS k
    FROM person
    WHERE on_basis = 'household' AND household_tree BETWEEN t0 AND t1 AND (counted >> measure_bit) & 1 = 1
    UNION ALL
    SELECT n, rowid
    FROM residence
    WHERE on_basis = 'residence' AND residence_tree BETWEEN t0 AND t1 AND (counted >> measure_bit) & 1 = 1;

-- The uninsured of divisions t0 to t1, each person once, also where both places lie in them. Without a basis both count.
CREATE MACRO uninsured_of(
    t0, t1, on_basis, of_reason, of_tag, of_priority, of_separated, age_0, age_1, of_feedback, of_since, in_order
) AS TABLE
    SELECT
        rowid AS n,
        CASE WHEN in_order = 'priority' THEN priority::BIGINT << 40 ELSE 0 END + rowid AS k,
        uninsured_reason
    FROM worklist
    WHERE
        tree BETWEEN t0 AND t1
        AND CASE on_basis
            WHEN 'household' THEN role = 'household'
            WHEN 'residence' THEN tree = residence_tree
            ELSE role = 'household' OR NOT household_tree BETWEEN t0 AND t1
        END
        AND (of_reason IS NULL OR uninsured_reason = of_reason)
        AND (of_tag IS NULL OR tag_bits & of_tag > 0)
        AND (of_priority IS NULL OR priority = of_priority)
        AND (of_separated IS NULL OR separated = of_separated)
        AND (age_0 IS NULL OR age >= age_0)
        AND (age_1 IS NULL OR age <= age_1)
        AND (
            of_feedback IS NULL
            OR CASE of_feedback
                WHEN 'no' THEN feedback_reason IS NULL
                WHEN 'yes' THEN feedback_reason IS NOT NULL
                ELSE feedback_reason = of_feedback
            END
        )
        AND (
            of_since IS NULL
            OR NOT CASE on_basis
                WHEN 'household' THEN was_household BETWEEN t0 AND t1
                WHEN 'residence' THEN was_residence BETWEEN t0 AND t1
                ELSE was_household BETWEEN t0 AND t1 OR was_residence BETWEEN t0 AND t1
            END
        );

-- Who stood on that list before and does so no more.
CREATE MACRO closed_of(t0, t1, on_basis, of_reason, of_cause) AS TABLE
    SELECT rowid AS n, rowid AS k, cause
    FROM closed
    WHERE
        tree BETWEEN t0 AND t1
        AND CASE on_basis
            WHEN 'household' THEN role = 'household' AND NOT now_household BETWEEN t0 AND t1
            WHEN 'residence' THEN tree = residence_tree AND NOT now_residence BETWEEN t0 AND t1
            ELSE
                (role = 'household' OR NOT household_tree BETWEEN t0 AND t1)
                AND NOT (now_household BETWEEN t0 AND t1 OR now_residence BETWEEN t0 AND t1)
        END
        AND (of_reason IS NULL OR uninsured_reason = of_reason)
        AND (of_cause IS NULL OR cause = of_cause);

-- Pairs of people who are registered or live in divisions t0 to t1 and, without a basis, pairs that the bureau of a
-- district there has to do with because one of the relations is its own or it is the one to act. A division's 未落地 row
-- (is_unplaced) is of people alone: what its bureau has to do with is the division's own list.
CREATE MACRO duplicate_of(t0, t1, is_unplaced, on_basis, of_action, of_kind, of_state, of_part) AS TABLE
    SELECT rowid AS n, rowid AS k, person_id
    FROM duplicate
    WHERE
        CASE on_basis
            WHEN 'household' THEN household_tree BETWEEN t0 AND t1
            WHEN 'residence' THEN residence_tree BETWEEN t0 AND t1
            ELSE
                household_tree BETWEEN t0 AND t1
                OR residence_tree BETWEEN t0 AND t1
                OR (
                    NOT is_unplaced
                    AND (tree_a BETWEEN t0 AND t1 OR tree_b BETWEEN t0 AND t1 OR notify_tree BETWEEN t0 AND t1)
                )
        END
        AND (of_action IS NULL OR action = of_action)
        AND (of_kind IS NULL OR kind = of_kind)
        AND (of_state IS NULL OR state = of_state)
        AND (
            of_part IS NULL
            OR CASE of_part WHEN 'act' THEN notify_tree BETWEEN t0 AND t1 ELSE needs_review END
        );
