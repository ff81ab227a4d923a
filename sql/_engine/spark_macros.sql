-- The macros of duckdb_macros.sql that Spark spells otherwise; all others are taken over from there (canbao.engine.transpile).
-- What stands here must give the very same values, so that both engines publish the same tables.

-- 60 bits of a text: the second half of its MD5, read from its last byte
CREATE MACRO hash60(x) AS cast(conv(concat(
    substr(md5(x), 32, 1), substr(md5(x), 29, 2), substr(md5(x), 27, 2), substr(md5(x), 25, 2),
    substr(md5(x), 23, 2), substr(md5(x), 21, 2), substr(md5(x), 19, 2), substr(md5(x), 17, 2)
), 16, 10) AS bigint);

-- 64 bits of a person_id, for joins between two nights: with a sign, because Spark has no unsigned numbers
CREATE MACRO id_key(x) AS cast(conv(substr(x, 1, 16), 16, -10) AS bigint);

-- number of the lowest and of the highest bit that is set: log2 is not exact there
CREATE MACRO first_bit(bits) AS bit_count((bits & (-bits)) - 1);
CREATE MACRO last_bit(bits) AS (length(bin(bits)) - 1);

-- names compared without blanks and middle dots of any kind; the blanks that RE2 knows
CREATE MACRO name_key(x) AS upper(regexp_replace(x, '[\\t\\n\\f\\r ·•・･‧⋅．.\\x{3000}\\x{200b}]', ''));
