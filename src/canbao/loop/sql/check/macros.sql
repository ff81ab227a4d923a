-- Names as people write them in a sheet: what stands in brackets behind one is a remark.
CREATE MACRO bare_name(x) AS regexp_replace(x, '[(（\[【].*$', '');
CREATE MACRO same_person_name(a, b) AS (
    CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE same_name(a, b) OR same_name(bare_name(a), bare_name(b)) END
);
