-- +goose Up
ALTER TABLE users ADD COLUMN profile TEXT NOT NULL DEFAULT '';

-- Keys that were made before there were rights were made for everything.
ALTER TABLE api_keys ADD COLUMN profile TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN rights TEXT NOT NULL DEFAULT '{"backends":[]}';
ALTER TABLE api_keys ADD COLUMN networks TEXT NOT NULL DEFAULT '[]';  -- JSON array of prefixes; empty = anywhere
UPDATE api_keys SET rights = '{"backends":["*"],"write":true,"destructive":["*"]}';

-- A transaction that must not overlap others of its kind raises a row here first.
CREATE TABLE turns (
    name TEXT PRIMARY KEY,
    taken BIGINT NOT NULL
);
INSERT INTO turns (name, taken) VALUES ('admins', 0), ('registrations', 0);

CREATE TABLE profiles (
    name TEXT PRIMARY KEY,
    rules TEXT NOT NULL        -- JSON
);

CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    metadata TEXT NOT NULL,        -- JSON, names as in RFC 7591
    secret_hash BYTEA NOT NULL,    -- empty = no secret
    may_admin BOOLEAN NOT NULL,
    machine_user TEXT REFERENCES users (id) ON DELETE SET NULL,
    machine_rights TEXT NOT NULL,  -- JSON
    created BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    source TEXT NOT NULL
);
CREATE INDEX clients_age ON clients (kind, last_used, created);
CREATE INDEX clients_machine_user ON clients (machine_user) WHERE machine_user IS NOT NULL;

-- A grant outlives its client: it stays in the list as revoked.
CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    client_name TEXT NOT NULL,
    resource TEXT NOT NULL,
    rights TEXT NOT NULL,          -- JSON
    role TEXT NOT NULL,
    machine BOOLEAN NOT NULL,      -- made by client credentials, not by consent
    created BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_client ON grants (client_id);

CREATE TABLE codes (
    hash BYTEA PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    consent TEXT NOT NULL,         -- JSON: what was allowed, and where the code may be redeemed
    expires BIGINT NOT NULL,
    used BIGINT NOT NULL,
    grant_id TEXT NOT NULL         -- that came of it; empty = none
);
CREATE INDEX codes_user ON codes (user_id);
CREATE INDEX codes_client ON codes (client_id);

CREATE TABLE tokens (
    hash BYTEA PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,            -- access or refresh
    scope TEXT NOT NULL,           -- narrows the grant; empty = all of it
    expires BIGINT NOT NULL,
    used BIGINT NOT NULL,          -- of a refresh token: when it was exchanged
    replay BYTEA NOT NULL           -- of a used one, until its successor is used: the answer, sealed
);
CREATE INDEX tokens_grant ON tokens (grant_id);
CREATE INDEX tokens_expires ON tokens (expires);
CREATE INDEX tokens_replay ON tokens (used) WHERE length(replay) > 0;

CREATE TABLE once_marks (
    kind TEXT NOT NULL,
    hash BYTEA NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (kind, hash)
);

CREATE TABLE sign_ins (
    hash BYTEA PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sign_ins_user ON sign_ins (user_id);
