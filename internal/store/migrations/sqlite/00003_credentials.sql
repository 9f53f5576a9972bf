-- +goose Up

-- What users have stored for the systems behind built-in servers. A row is one
-- value, under the name that it has among the server's settings.
CREATE TABLE user_credentials (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    server TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,           -- sealed
    updated INTEGER NOT NULL,
    PRIMARY KEY (user_id, server, name)
) STRICT, WITHOUT ROWID;
