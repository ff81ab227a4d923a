-- What went out to the villages and what came back. Days are text YYYY-MM-DD, moments ISO text in UTC.

-- One row per number that was handed out: kind 'round' or 'batch', the last one.
CREATE TABLE IF NOT EXISTS counter (
    kind TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

-- One row per dispatch order. filters: JSON. rows: of all its batches.
CREATE TABLE IF NOT EXISTS round (
    round_no INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    sent TEXT NOT NULL,
    due TEXT NOT NULL,
    by_account TEXT NOT NULL,
    by_division TEXT NOT NULL,
    level INTEGER NOT NULL,
    publication TEXT NOT NULL,
    filters TEXT NOT NULL,
    batches INTEGER NOT NULL,
    rows INTEGER NOT NULL
) STRICT;

-- One row per batch. kind: list, zero. state: open, recalled.
CREATE TABLE IF NOT EXISTS batch (
    batch_no INTEGER PRIMARY KEY,
    round_no INTEGER NOT NULL,
    division_code TEXT NOT NULL,
    division_name TEXT NOT NULL,
    level INTEGER NOT NULL,
    kind TEXT NOT NULL,
    rows INTEGER NOT NULL,
    sent TEXT NOT NULL,
    due TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    zero_at TEXT,
    zero_by TEXT,
    recalled_at TEXT,
    recalled_by TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS batch_division ON batch (division_code);

CREATE INDEX IF NOT EXISTS batch_round ON batch (round_no);

-- One row per upload that was confirmed by who sent it. state: waiting (镇审 outstanding), confirmed, withdrawn, returned.
CREATE TABLE IF NOT EXISTS receipt (
    receipt_no TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    day TEXT NOT NULL,
    account TEXT NOT NULL,
    holder TEXT NOT NULL,
    role TEXT NOT NULL,
    division_code TEXT NOT NULL,
    file_name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at TEXT,
    decision_note TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    hints INTEGER NOT NULL,
    blank INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    same INTEGER NOT NULL,
    landed TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS receipt_day ON receipt (day);

CREATE INDEX IF NOT EXISTS receipt_file ON receipt (sha256);

CREATE INDEX IF NOT EXISTS receipt_division ON receipt (division_code);

-- One row per filled row of an upload. state: new, changed, same, settled, refused. checks: JSON list. raw: JSON.
CREATE TABLE IF NOT EXISTS returned_row (
    receipt_no TEXT NOT NULL,
    n INTEGER NOT NULL,
    sheet TEXT,
    line INTEGER,
    row_code TEXT,
    batch_no INTEGER,
    serial INTEGER,
    person_id TEXT,
    certno TEXT,
    division_code TEXT,
    reason_code TEXT,
    found_date TEXT,
    end_date TEXT,
    note TEXT,
    reporter TEXT,
    state TEXT NOT NULL,
    checks TEXT NOT NULL,
    raw TEXT NOT NULL,
    PRIMARY KEY (receipt_no, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS returned_row_batch ON returned_row (batch_no, serial);

CREATE INDEX IF NOT EXISTS returned_row_person ON returned_row (person_id);
