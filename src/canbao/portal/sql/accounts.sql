-- The portal's accounts, sessions and counters. Times are seconds since 1970 (UTC).

-- One row per account. role '' : made and not granted yet. state: asleep, active, closed.
CREATE TABLE IF NOT EXISTS account (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT '',
    division TEXT NOT NULL DEFAULT '',
    export TEXT NOT NULL DEFAULT 'none',
    daily_rows INTEGER,
    state TEXT NOT NULL,
    must_change INTEGER NOT NULL,
    password_hash TEXT NOT NULL,
    password_changed REAL NOT NULL,
    made_at REAL NOT NULL,
    used_at REAL NOT NULL,
    factor_secret BLOB,
    factor_confirmed INTEGER NOT NULL DEFAULT 0,
    factor_step INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One row per password that an account had, the present one too.
CREATE TABLE IF NOT EXISTS password (
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    since REAL NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS password_name ON password (name, since);

-- One row per live session; the id that the browser holds stands here only as its hash.
CREATE TABLE IF NOT EXISTS session (
    id_hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    begun REAL NOT NULL,
    seen REAL NOT NULL,
    address TEXT NOT NULL,
    stage TEXT NOT NULL,
    method TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS session_name ON session (name);

-- One row per name or address that failed; names that no account has are counted alike, under a keyed hash.
CREATE TABLE IF NOT EXISTS failure (
    subject TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL
) STRICT;

-- One row per sign-in or failed try of an account.
CREATE TABLE IF NOT EXISTS sign_in (
    name TEXT NOT NULL,
    at REAL NOT NULL,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS sign_in_name ON sign_in (name, at);

-- One row per confirmation by second factor that has not been used yet: one session, one action.
CREATE TABLE IF NOT EXISTS step_up (
    id_hash TEXT NOT NULL,
    action TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (id_hash, action)
) STRICT;

-- One row per account and day: rows given out.
CREATE TABLE IF NOT EXISTS given_out (
    name TEXT NOT NULL,
    day TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    PRIMARY KEY (name, day)
) STRICT;

-- One row per account and day: searches by number that found nobody.
CREATE TABLE IF NOT EXISTS search_miss (
    name TEXT NOT NULL,
    day TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (name, day)
) STRICT;

-- One row per sign-in that was sent to the OpenID provider and has not come back.
CREATE TABLE IF NOT EXISTS oidc_try (
    state TEXT PRIMARY KEY,
    browser_hash TEXT NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    next TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
