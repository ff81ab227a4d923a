-- what becomes of each returned row. Who somebody is comes first; whoever is insured meanwhile needs no answer, so that
-- a fault of the answer does not matter; the same answer again changes nothing; then the faults of the answer count, of
-- which 核实性 ones pass with an explanation. grain: one row per returned row
WITH
fired_row AS (
    SELECT n, code FROM fired
    UNION ALL
    SELECT n, code FROM twice
),

nobodys AS (
    SELECT DISTINCT f.n
    FROM fired_row AS f
    INNER JOIN check_list AS c ON f.code = c.code AND c.grade = 'refuse' AND c.about = 'row'
),

-- of rows that say the same about somebody the first counts; one that is refused as nobody's takes no other's place
repeated AS (
    SELECT c.n
    FROM claim AS c
    LEFT JOIN nobodys AS o ON c.n = o.n
    WHERE c.person_id IS NOT NULL AND o.n IS NULL
    QUALIFY row_number() OVER (PARTITION BY c.person_id, c.division_code ORDER BY c.n) > 1
),

fired_code AS (
    SELECT n, code FROM fired_row
    UNION ALL
    SELECT n, 'repeated' FROM repeated
    UNION ALL
    -- whoever is insured needs no answer; one that is not whole does not go to the night, and is counted apart
    SELECT DISTINCT f.n, 'settled_apart'
    FROM fired_row AS f
    INNER JOIN claim AS c ON f.n = c.n AND c.is_insured
    INNER JOIN check_list AS k ON f.code = k.code AND k.grade = 'refuse' AND k.about = 'answer'
),

told AS (
    SELECT
        f.n,
        list(f.code ORDER BY c.nth) FILTER (WHERE c.code IS NOT NULL) AS checks,
        -- who needs no answer need correct none
        list(f.code ORDER BY c.nth) FILTER (WHERE c.about = 'row' OR c.grade = 'hint') AS settled_checks,
        bool_or(f.code = 'explanation') AS is_explained,
        coalesce(bool_or(c.grade = 'refuse' AND c.about = 'row'), false) AS is_nobodys,
        coalesce(bool_or(c.grade = 'refuse'), false) AS is_faulty,
        coalesce(bool_or(c.grade = 'verify'), false) AS is_doubtful,
        bool_or(f.code = 'repeated') AS is_repeated,
        bool_or(f.code = 'conflicting') AS is_conflicting
    FROM fired_code AS f
    LEFT JOIN check_list AS c ON f.code = c.code
    GROUP BY f.n
),

-- the answer that this one would take the place of: of the same division about the same row of the same batch
before AS (
    SELECT
        c.n,
        bool_or(
            a.reason_code = c.reason_code AND a.found_date = c.found_on AND a.end_date IS NOT DISTINCT FROM c.ends_on
            AND coalesce(a.note, '') = coalesce(c.note, '')
        ) AS is_same
    FROM claim AS c
    INNER JOIN standing AS a
        ON
            c.person_id = a.person_id AND c.division_code = a.division_code
            AND coalesce(c.batch_no, -1) = coalesce(a.batch_no, -1)
    GROUP BY c.n
)

SELECT
    c.n,
    c.sheet,
    c.line,
    c.row_code,
    c.row_code_text,
    c.batch_no,
    c.batch_id,
    c.serial,
    c.person_id,
    c.kept_certno AS certno,
    c.division_code,
    c.psn_name,
    c.reason_code,
    c.found_on AS found_date,
    c.ends_on AS end_date,
    c.note,
    c.reporter,
    CASE
        WHEN coalesce(t.is_nobodys, false) THEN 'refused'
        WHEN c.is_insured AND NOT coalesce(t.is_repeated, false) THEN 'settled'
        WHEN coalesce(b.is_same, false) THEN 'same'
        WHEN NOT c.is_insured AND (t.is_faulty OR (t.is_doubtful AND NOT t.is_explained)) THEN 'refused'
        WHEN t.is_repeated THEN 'same'
        WHEN b.n IS NOT NULL THEN 'changed'
        ELSE 'new'
    END AS state,
    -- an answer about somebody insured meanwhile is taken in where it is whole: it was given, and closes the row
    coalesce(NOT t.is_faulty, true) AND coalesce(NOT b.is_same, true) AND coalesce(NOT t.is_repeated, true) AS is_whole,
    coalesce(t.is_conflicting, false) AS is_conflicting,
    coalesce(CASE WHEN state = 'settled' THEN t.settled_checks ELSE t.checks END, []) AS checks,
    c.raw
FROM claim AS c
LEFT JOIN told AS t ON c.n = t.n
LEFT JOIN before AS b ON c.n = b.n
ORDER BY c.n
