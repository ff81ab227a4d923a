-- Downloads and requests for full numbers: <home>/portal/downloads.db. Times are seconds since 1970 (UTC).

-- One row per file that was handed out. state: sending, done, broken. list: the query as JSON; no person is in it.
CREATE TABLE IF NOT EXISTS download (
    serial TEXT PRIMARY KEY,
    at REAL NOT NULL,
    day TEXT NOT NULL,
    account TEXT NOT NULL,
    holder TEXT NOT NULL,
    role TEXT NOT NULL,
    division TEXT NOT NULL,
    unit TEXT NOT NULL,
    list TEXT NOT NULL,
    title TEXT NOT NULL,
    filters TEXT NOT NULL,
    publication TEXT NOT NULL,
    form TEXT NOT NULL,
    part INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    level TEXT NOT NULL,
    reason TEXT NOT NULL,
    approved_by TEXT NOT NULL,
    state TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS download_account ON download (account, day);

-- One row per request for full numbers that a second person must approve. state: waiting, approved, declined, used.
CREATE TABLE IF NOT EXISTS request (
    request_id TEXT PRIMARY KEY,
    at REAL NOT NULL,
    account TEXT NOT NULL,
    holder TEXT NOT NULL,
    division TEXT NOT NULL,
    unit TEXT NOT NULL,
    list TEXT NOT NULL,
    title TEXT NOT NULL,
    filters TEXT NOT NULL,
    form TEXT NOT NULL,
    part INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT NOT NULL DEFAULT '',
    decided_at REAL NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX IF NOT EXISTS request_account ON request (account, at);

-- One row per account and day that tried to take more than its quota: told once.
CREATE TABLE IF NOT EXISTS alarm (
    account TEXT NOT NULL,
    day TEXT NOT NULL,
    PRIMARY KEY (account, day)
) STRICT;
