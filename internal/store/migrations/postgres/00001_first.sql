-- +goose Up
CREATE TABLE installation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,          -- random, not secret; the marker file repeats it
    secret BYTEA NOT NULL,      -- sealed; keys are derived from it
    created BIGINT NOT NULL   -- all times: milliseconds since 1970 in UTC, 0 = never
);

-- A writer raises the version of what it changed; other processes compare.
CREATE TABLE changes (
    topic TEXT PRIMARY KEY,
    version BIGINT NOT NULL
);

-- +goose StatementBegin
CREATE FUNCTION drawbridge_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('drawbridge_changes', NEW.topic);
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER changes_notify AFTER INSERT OR UPDATE ON changes
    FOR EACH ROW EXECUTE FUNCTION drawbridge_notify();

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);
CREATE UNIQUE INDEX api_keys_live_name ON api_keys (user_id, name) WHERE revoked = 0;

CREATE TABLE revoked_sessions (
    hash BYTEA PRIMARY KEY,
    expires BIGINT NOT NULL
);

CREATE TABLE session_state (
    hash BYTEA PRIMARY KEY,
    log_level TEXT NOT NULL,
    subscriptions TEXT NOT NULL,   -- JSON array of URIs
    expires BIGINT NOT NULL
);

CREATE TABLE catalogues (
    backend TEXT PRIMARY KEY,
    lists BYTEA NOT NULL,
    read_at BIGINT NOT NULL
);

CREATE TABLE backends (
    name TEXT PRIMARY KEY,
    spec TEXT NOT NULL,        -- JSON without secrets
    secrets BYTEA NOT NULL,     -- sealed; empty = none
    enabled BOOLEAN NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE TABLE audit_chains (
    num BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    base_seq BIGINT NOT NULL,
    base_hash BYTEA NOT NULL,
    base_sign BYTEA NOT NULL,
    head_seq BIGINT NOT NULL,
    head_hash BYTEA NOT NULL,
    head_sign BYTEA NOT NULL
);

-- No index but the id: rows are written by every call and read rarely, in order.
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    time BIGINT NOT NULL,         -- microseconds
    entry TEXT NOT NULL,           -- JSON: who did what through which backend, and how it ended
    hash BYTEA NOT NULL
);

CREATE TABLE server_migrations (
    server TEXT NOT NULL,
    version BIGINT NOT NULL,
    applied BIGINT NOT NULL,
    PRIMARY KEY (server, version)
);
