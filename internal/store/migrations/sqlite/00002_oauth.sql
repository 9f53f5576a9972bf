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
    taken INTEGER NOT NULL
) STRICT;
INSERT INTO turns (name, taken) VALUES ('admins', 0), ('registrations', 0);

CREATE TABLE profiles (
    name TEXT PRIMARY KEY,
    rules TEXT NOT NULL        -- JSON
) STRICT;

CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    metadata TEXT NOT NULL,        -- JSON, names as in RFC 7591
    secret_hash BLOB NOT NULL,     -- empty = no secret
    may_admin INTEGER NOT NULL,
    machine_user TEXT REFERENCES users (id) ON DELETE SET NULL,
    machine_rights TEXT NOT NULL,  -- JSON
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    source TEXT NOT NULL
) STRICT;
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
    machine INTEGER NOT NULL,      -- made by client credentials, not by consent
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER NOT NULL
) STRICT;
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_client ON grants (client_id);

CREATE TABLE codes (
    hash BLOB PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    consent TEXT NOT NULL,         -- JSON: what was allowed, and where the code may be redeemed
    expires INTEGER NOT NULL,
    used INTEGER NOT NULL,
    grant_id TEXT NOT NULL         -- that came of it; empty = none
) STRICT;
CREATE INDEX codes_user ON codes (user_id);
CREATE INDEX codes_client ON codes (client_id);

CREATE TABLE tokens (
    hash BLOB PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,            -- access or refresh
    scope TEXT NOT NULL,           -- narrows the grant; empty = all of it
    expires INTEGER NOT NULL,
    used INTEGER NOT NULL,         -- of a refresh token: when it was exchanged
    replay BLOB NOT NULL            -- of a used one, until its successor is used: the answer, sealed
) STRICT;
CREATE INDEX tokens_grant ON tokens (grant_id);
CREATE INDEX tokens_expires ON tokens (expires);
CREATE INDEX tokens_replay ON tokens (used) WHERE length(replay) > 0;

CREATE TABLE once_marks (
    kind TEXT NOT NULL,
    hash BLOB NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (kind, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_ins (
    hash BLOB PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_ins_user ON sign_ins (user_id);
