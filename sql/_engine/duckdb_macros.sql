-- Expressions that every engine spells in its own way, or that many steps share. One definition per engine.

-- 60 bits of a text, the same on every engine and every night
CREATE MACRO hash60(x) AS (md5_number_lower(x) & 1152921504606846975)::BIGINT;

-- which of so many parts of a large night a person belongs to; not by the bits by which hash tables place their rows
CREATE MACRO part_of(person_key, parts) AS ((hash(person_key::BIGINT) >> 32) % parts)::INTEGER;

-- 64 bits of a text for joins inside one run; never published
CREATE MACRO join_key(x) AS hash(x);

-- Marks: 31 bits that tell whether something is as it was the night before, the same on every engine. mark_with adds a
-- number to a mark; text_no makes one of a text, digits as they stand, because a digest takes four times as long, and one
-- digit without a look at a pattern.
CREATE MACRO mark_with(mark, n) AS ((mark * 1000003 + coalesce(n % 2147483646, 2147483646)) % 2147483647);
CREATE MACRO text_no(x) AS (
    CASE
        WHEN length(x) = 1 AND x BETWEEN '0' AND '9' THEN ascii(x) - 48
        WHEN length(x) <= 18 AND regexp_full_match(x, '[0-9]+') THEN try_cast(x AS BIGINT)
        WHEN x IS NOT NULL THEN hash60(x)
    END
);
CREATE MACRO day_no(d) AS ((year(d) * 12 + month(d)) * 31 + day(d));
CREATE MACRO bit_no(condition) AS (CASE WHEN condition THEN 1 WHEN NOT condition THEN 2 ELSE 0 END);

-- number of the lowest and of the highest bit that is set
CREATE MACRO first_bit(bits) AS log2(bits & -bits)::INTEGER;
CREATE MACRO last_bit(bits) AS floor(log2(bits))::INTEGER;

-- 64 bits of a person_id, for joins between two nights
CREATE MACRO id_key(x) AS ('0x' || substr(x, 1, 16))::UBIGINT;

-- months counted from year 0, so that months can be subtracted; from YYYYMM, from a date, and back to YYYYMM text
CREATE MACRO month_no(yyyymm) AS ((yyyymm // 100) * 12 + yyyymm % 100 - 1)::INTEGER;
CREATE MACRO date_month_no(d) AS (year(d) * 12 + month(d) - 1)::INTEGER;
CREATE MACRO month_text(n) AS CAST((n // 12) * 100 + n % 12 + 1 AS VARCHAR);

-- so many of the months that an amount pays for, to the fen; a refund's share is as large as that of what it takes back
CREATE MACRO share_of(amount, part, months) AS (
    CAST(CAST(amount * 100 AS BIGINT) * part // months AS DECIMAL(16, 0)) * 0.01
);
-- what of an amount that pays for the months from begn_no to end_no is of one year
CREATE MACRO year_share(amount, begn_no, end_no, year) AS (
    share_of(amount, least(end_no, year * 12 + 11) - greatest(begn_no, year * 12) + 1, end_no - begn_no + 1)
);

-- tier of a resident's premium: as the payment says, else the relation, else by what was paid
CREATE MACRO paid_tier(paid, enrolled, amount, tier2_amt) AS coalesce(
    CASE WHEN paid IN ('1', '2') THEN paid END,
    CASE WHEN enrolled IN ('1', '2') THEN enrolled END,
    CASE WHEN amount >= tier2_amt THEN '2' ELSE '1' END
);

-- Check value (0 to 10) of a certificate number's 17 digits (GB 11643). The weights are powers of 2 (mod 11), so the digits
-- are read as if they stood in base 2: n less 8 times each n // 10^i * 2^(i - 1). A third of the time of adding them up.
CREATE MACRO check_of(n) AS ((12 - (2 * (
    n - 8 * (
        n // 10 + n // 100 * 2 + n // 1000 * 4 + n // 10000 * 8 + n // 100000 * 16 + n // 1000000 * 32
        + n // 10000000 * 64 + n // 100000000 * 128 + n // 1000000000 * 256 + n // 10000000000 * 512
        + n // 100000000000 * 1024 + n // 1000000000000 * 2048 + n // 10000000000000 * 4096
        + n // 100000000000000 * 8192 + n // 1000000000000000 * 16384 + n // 10000000000000000 * 32768
    )
)) % 11) % 11);

-- forms of a certificate number
CREATE MACRO has_18_form(x) AS (length(x) = 18 AND regexp_full_match(x, '[0-9]{17}[0-9X]'));
CREATE MACRO has_15_form(x) AS (
    length(x) = 15 AND regexp_full_match(x, '[0-9]{15}')
    AND try_cast('19' || substr(x, 7, 2) || '-' || substr(x, 9, 2) || '-' || substr(x, 11, 2) AS DATE) IS NOT NULL
);
CREATE MACRO digit(x, i) AS (ascii(substr(x, i, 1)) - 48);
-- the 17 digits of a 15-digit number and their check value: what 19 adds to the sum is a multiple of 11
CREATE MACRO digits_17(x) AS (substr(x, 1, 6) || '19' || substr(x, 7, 9));
CREATE MACRO check_value_15(x) AS ((12 - (
    digit(x, 1) * 7 + digit(x, 2) * 9 + digit(x, 3) * 10 + digit(x, 4) * 5 + digit(x, 5) * 8 + digit(x, 6) * 4
    + digit(x, 7) * 6 + digit(x, 8) * 3 + digit(x, 9) * 7 + digit(x, 10) * 9 + digit(x, 11) * 10 + digit(x, 12) * 5
    + digit(x, 13) * 8 + digit(x, 14) * 4 + digit(x, 15) * 2
) % 11) % 11);
-- 15 digits in their 18-digit form; every other number as it is
CREATE MACRO number_text(x) AS (
    CASE WHEN has_15_form(x) THEN digits_17(x) || substr('0123456789X', check_value_15(x) + 1, 1) ELSE x END
);
-- A number as a 64-bit integer: 17 digits times 16 plus the check value; any other text as minus its hash. Spelled out for
-- both lengths: macros are put in as text, and one number written by another was most of the time to plan a step. First come
-- 18 digits without a zero before them, which most numbers are: that an integer's text is the very text takes half the
-- time of looking at each sign.
CREATE MACRO number_key(x) AS (
    CASE
        WHEN
            try_cast(x AS BIGINT) BETWEEN 100000000000000000 AND 999999999999999999
            AND CAST(try_cast(x AS BIGINT) AS VARCHAR) = x
            THEN try_cast(x AS BIGINT) // 10 * 16 + try_cast(x AS BIGINT) % 10
        WHEN has_18_form(x)
            THEN substr(x, 1, 17)::BIGINT * 16
                + (CASE substr(x, 18, 1) WHEN 'X' THEN 10 ELSE ascii(substr(x, 18, 1)) - 48 END)
        WHEN has_15_form(x) THEN digits_17(x)::BIGINT * 16 + check_value_15(x)
        WHEN x IS NOT NULL THEN -hash60(x) - 1
    END
);
-- a number as written, where that is not the 18 digits of its key
CREATE MACRO odd_number(x, k) AS (CASE WHEN k < 0 OR length(x) = 15 THEN x END);
-- the number of a non-negative key; most are 18 digits without a zero before them, which is an integer's text as it stands
CREATE MACRO key_text(k) AS (
    CASE
        WHEN k >= 160000000000000000 AND k % 16 < 10 THEN CAST(k // 16 * 10 + k % 16 AS VARCHAR)
        ELSE lpad(CAST(k // 16 AS VARCHAR), 17, '0') || substr('0123456789X', (k % 16)::INTEGER + 1, 1)
    END
);

-- a number in a birth record, where it can be the child's: no parent's, and born within a year of the day delivered
CREATE MACRO child_number(x, brdy, mother, father) AS (
    CASE
        WHEN x = mother OR x = father THEN NULL
        WHEN has_18_form(x) AND abs(try_cast(substr(x, 7, 4) AS INTEGER) - year(brdy)) > 1 THEN NULL
        WHEN has_15_form(x) AND abs(try_cast('19' || substr(x, 7, 2) AS INTEGER) - year(brdy)) > 1 THEN NULL
        ELSE x
    END
);

-- keyed hash of a person's first number: 32 hex digits (contract 3.1)
CREATE MACRO keyed_hash(secret, x) AS substr(sha256(secret || x), 1, 32);

-- full years on a day
CREATE MACRO age_on(brdy, d) AS (
    (year(d) - year(brdy) - CASE WHEN month(d) * 100 + day(d) < month(brdy) * 100 + day(brdy) THEN 1 ELSE 0 END)::INTEGER
);

-- first day of benefits of a resident year where nothing waits: its own first day, or that of the month after payment
CREATE MACRO benefit_from(paid_date, year) AS greatest(
    make_date(year, 1, 1), (date_trunc('month', paid_date) + INTERVAL 1 MONTH)::DATE
);

-- division codes: full length, level by trailing zeros, place by six digits, text_no of one that has been read as such
CREATE MACRO code12(x) AS (CASE WHEN length(x) = 12 THEN x ELSE rpad(x, 12, '0') END);
CREATE MACRO place6(x) AS substr(x, 1, 6);
CREATE MACRO code_no(x) AS CAST(x AS BIGINT);

-- whether two values differ; null is a value
CREATE MACRO differs(a, b) AS (a IS DISTINCT FROM b);

-- whether two codes, both known, name different places: neither only says more precisely what the other says
CREATE MACRO is_another_code(a, b) AS coalesce(
    NOT starts_with(a, regexp_replace(b, '(000)+$', '')) AND NOT starts_with(b, regexp_replace(a, '(000)+$', '')), false
);

-- names compared without blanks and middle dots of any kind; an unreadable character matches any one character. Most are
-- the very same, and CASE asks no further of these, where OR would.
CREATE MACRO name_key(x) AS upper(regexp_replace(x, '[\s·•・･‧⋅．.\x{3000}\x{200b}]', '', 'g'));
CREATE MACRO name_pattern(x) AS regexp_replace(name_key(x), '[?？□\x{FFFD}\x{E000}-\x{F8FF}]', '.', 'g');
CREATE MACRO same_name(a, b) AS (
    CASE
        WHEN a IS NULL OR b IS NULL OR a = b THEN true
        WHEN name_key(a) = name_key(b) THEN true
        ELSE
            length(name_key(a)) = length(name_key(b))
            AND (name_key(a) SIMILAR TO name_pattern(b) OR name_key(b) SIMILAR TO name_pattern(a))
    END
);

-- a bit of a set: bit n where the condition holds
CREATE MACRO flag(condition, n) AS (CASE WHEN condition THEN 1::BIGINT << n ELSE 0::BIGINT END);
CREATE MACRO has_flag(bits, n) AS ((bits & (1::BIGINT << n)) <> 0);

-- a row code as it is kept: people write it with blanks, dashes, small and wide letters (src/canbao/loop/codes.py)
CREATE MACRO sent_code(x) AS nullif(regexp_replace(
    upper(translate(
        x,
        '０１２３４５６７８９ＡＢＣＤＥＦＧＨＪＫＭＮＰＱＲＳＴＵＶＷＸＹＺ',
        '0123456789ABCDEFGHJKMNPQRSTUVWXYZ'
    )),
    '[^0-9A-Z]', '', 'g'
), '');
