-- +goose Up

-- A row holds the records of a batch instead of one: its entry is an array with their
-- times, its hash their hashes one after the other, seq the first one's.
ALTER TABLE audit RENAME COLUMN time TO first;
ALTER TABLE audit ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
UPDATE audit SET last = first, entry = '[{"time":' || first || ',' || substr(entry, 2) || ']';
