-- title: 待校核条目 / wrong rows that a department is asked to repair
-- grain: one row per measure and wrong row of a source, and one per rejected row
-- publish: source, measure_id, item_id
-- columns:
--   item_id: keyed hash of source, measure and the row's key, the same every night for the same wrong row
--   source: folder of the source
--   department: who is asked
--   measure_id: measure of the catalogue; `rejected_share.<source>` for a rejected row
--   division_code: the row's division as the measure takes it; null where it has none
--   delivery: date of the delivery that the row came with
--   file: name of the file
--   line: line of the row in it; the header is line 1
--   key_text: the row's key as delivered; of a rejected row its raw text [sensitive]
--   shown: JSON text of the columns that the measure shows; null for a rejected row [sensitive]
--   problem: what is wrong, in Chinese
--   suggestion: what the department is asked to do, in Chinese
--   content: digest of the names and, behind the colon, keyed digest of the values shown
--   known: a department has answered that the row is right as it is, or will not be changed: counted, not asked again
SELECT
    w.item_id,
    w.source,
    m.department,
    w.measure_id,
    w.division_code,
    w.delivery,
    w.file,
    w.line,
    w.key_text,
    w.shown,
    coalesce(w.problem, m.problem) AS problem,
    coalesce(w.suggestion, m.suggestion) AS suggestion,
    w.content,
    w.known
FROM wrong_row AS w
INNER JOIN repair_measure AS m ON m.measure_id = w.measure_id
