-- +goose Up
CREATE TABLE installation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,          -- random, not secret; the marker file repeats it
    secret BLOB NOT NULL,      -- sealed; keys are derived from it
    created INTEGER NOT NULL   -- all times: milliseconds since 1970 in UTC, 0 = never
) STRICT;

-- A writer raises the version of what it changed; other processes compare.
CREATE TABLE changes (
    topic TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    revoked INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX api_keys_live_name ON api_keys (user_id, name) WHERE revoked = 0;

CREATE TABLE revoked_sessions (
    hash BLOB PRIMARY KEY,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session_state (
    hash BLOB PRIMARY KEY,
    log_level TEXT NOT NULL,
    subscriptions TEXT NOT NULL,   -- JSON array of URIs
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE catalogues (
    backend TEXT PRIMARY KEY,
    lists BLOB NOT NULL,
    read_at INTEGER NOT NULL
) STRICT;

CREATE TABLE backends (
    name TEXT PRIMARY KEY,
    spec TEXT NOT NULL,        -- JSON without secrets
    secrets BLOB NOT NULL,     -- sealed; empty = none
    enabled INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_chains (
    num INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    base_seq INTEGER NOT NULL,
    base_hash BLOB NOT NULL,
    base_sign BLOB NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash BLOB NOT NULL,
    head_sign BLOB NOT NULL
) STRICT;

-- No index but the row id: rows are written by every call and read rarely, in order.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chain INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,         -- microseconds
    entry TEXT NOT NULL,           -- JSON: who did what through which backend, and how it ended
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE server_migrations (
    server TEXT NOT NULL,
    version INTEGER NOT NULL,
    applied INTEGER NOT NULL,
    PRIMARY KEY (server, version)
) STRICT, WITHOUT ROWID;
