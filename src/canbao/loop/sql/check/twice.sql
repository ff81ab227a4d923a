-- rows of a file that say different things about one person for one division: nobody knows which is right. A row that is
-- refused as nobody's (another's name, a formula, another unit's) says nothing about anybody.
-- grain: one row per such returned row
WITH
nobodys AS (
    SELECT DISTINCT f.n
    FROM fired AS f
    INNER JOIN check_list AS c ON f.code = c.code AND c.grade = 'refuse' AND c.about = 'row'
),

-- rows about the same person for the same division, by whatever way they were found
told AS (
    SELECT
        c.n,
        -- one struct per answer; blanks around and within an explanation make no other answer
        struct_pack(
            r := coalesce(c.reason_code, c.reason_text, ''),
            f := coalesce(c.found_on::VARCHAR, c.found_text, ''),
            e := coalesce(c.ends_on::VARCHAR, c.end_text, ''),
            t := regexp_replace(coalesce(c.note, ''), '[\s\x{3000}]', '', 'g')
        ) AS said,
        c.person_id,
        c.division_code
    FROM claim AS c
    LEFT JOIN nobodys AS o ON c.n = o.n
    WHERE c.person_id IS NOT NULL AND o.n IS NULL
),

repeated AS (
    SELECT person_id, division_code
    FROM told
    GROUP BY person_id, division_code
    HAVING count(DISTINCT said) > 1
)

SELECT t.n, 'code_twice' AS code
FROM told AS t
INNER JOIN repeated AS r ON t.person_id = r.person_id AND t.division_code = r.division_code
