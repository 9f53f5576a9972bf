package records

import "drawbridge/internal/tables"

// migrations make the tables. Rows with deleted_by = 0 are live; others were
// deleted by that change and go for good after keepDeleted. memory_docs is the
// search index: the folded words of an entity (id * 2) or a file (id * 2 + 1).
func migrations() []tables.Migration {
	return []tables.Migration{{Version: 1, SQLite: sqliteTables, Postgres: postgresTables}}
}

const sqliteTables = `
CREATE TABLE memory_changes (
	id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, tool TEXT NOT NULL, summary TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX memory_changes_user ON memory_changes (user_id, id);
CREATE TABLE memory_usage (user_id TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
CREATE TABLE memory_imports (path TEXT PRIMARY KEY, at INTEGER NOT NULL);

CREATE TABLE memory_entities (
	id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, name TEXT NOT NULL, entity_type TEXT NOT NULL,
	created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL DEFAULT 0, deleted_by INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX memory_entities_live ON memory_entities (user_id, name) WHERE deleted_by = 0;
CREATE INDEX memory_entities_user ON memory_entities (user_id, id);
CREATE TABLE memory_observations (
	id INTEGER PRIMARY KEY AUTOINCREMENT, entity_id INTEGER NOT NULL REFERENCES memory_entities (id), content TEXT NOT NULL,
	created_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL DEFAULT 0, deleted_by INTEGER NOT NULL DEFAULT 0);
CREATE INDEX memory_observations_entity ON memory_observations (entity_id, id);
CREATE TABLE memory_relations (
	id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, from_name TEXT NOT NULL, to_name TEXT NOT NULL, relation_type TEXT NOT NULL,
	created_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL DEFAULT 0, deleted_by INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX memory_relations_live ON memory_relations (user_id, from_name, to_name, relation_type) WHERE deleted_by = 0;
CREATE INDEX memory_relations_to ON memory_relations (user_id, to_name);

CREATE TABLE memory_files (
	id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
	content TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
	deleted_at INTEGER NOT NULL DEFAULT 0, deleted_by INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX memory_files_name ON memory_files (user_id, project, name);
CREATE TABLE memory_file_versions (
	file_id INTEGER NOT NULL REFERENCES memory_files (id), version INTEGER NOT NULL, content TEXT NOT NULL, saved_at INTEGER NOT NULL,
	PRIMARY KEY (file_id, version));

CREATE VIRTUAL TABLE memory_docs USING fts5(title, body, owner UNINDEXED, tokenize = 'porter unicode61 remove_diacritics 0');
`

const postgresTables = `
CREATE TABLE memory_changes (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id TEXT NOT NULL, tool TEXT NOT NULL, summary TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX memory_changes_user ON memory_changes (user_id, id);
CREATE TABLE memory_usage (user_id TEXT PRIMARY KEY, bytes BIGINT NOT NULL);
CREATE TABLE memory_imports (path TEXT PRIMARY KEY, at BIGINT NOT NULL);

CREATE TABLE memory_entities (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id TEXT NOT NULL, name TEXT NOT NULL, entity_type TEXT NOT NULL,
	created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL DEFAULT 0, deleted_by BIGINT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX memory_entities_live ON memory_entities (user_id, name) WHERE deleted_by = 0;
CREATE INDEX memory_entities_user ON memory_entities (user_id, id);
CREATE TABLE memory_observations (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entity_id BIGINT NOT NULL REFERENCES memory_entities (id), content TEXT NOT NULL,
	created_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL DEFAULT 0, deleted_by BIGINT NOT NULL DEFAULT 0);
CREATE INDEX memory_observations_entity ON memory_observations (entity_id, id);
CREATE TABLE memory_relations (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id TEXT NOT NULL, from_name TEXT NOT NULL, to_name TEXT NOT NULL,
	relation_type TEXT NOT NULL, created_at BIGINT NOT NULL, deleted_at BIGINT NOT NULL DEFAULT 0, deleted_by BIGINT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX memory_relations_live ON memory_relations (user_id, from_name, to_name, relation_type) WHERE deleted_by = 0;
CREATE INDEX memory_relations_to ON memory_relations (user_id, to_name);

CREATE TABLE memory_files (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id TEXT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL,
	version BIGINT NOT NULL, content TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
	deleted_at BIGINT NOT NULL DEFAULT 0, deleted_by BIGINT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX memory_files_name ON memory_files (user_id, project, name);
CREATE TABLE memory_file_versions (
	file_id BIGINT NOT NULL REFERENCES memory_files (id), version BIGINT NOT NULL, content TEXT NOT NULL, saved_at BIGINT NOT NULL,
	PRIMARY KEY (file_id, version));

-- Stemming without stop words, as FTS5 does it.
CREATE TEXT SEARCH DICTIONARY memory_stem (TEMPLATE = pg_catalog.snowball, Language = english);
CREATE TEXT SEARCH CONFIGURATION memory_words (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION memory_words
	ALTER MAPPING FOR asciiword, word, numword, asciihword, hword, numhword, hword_asciipart, hword_part, hword_numpart WITH memory_stem;
CREATE TABLE memory_docs (id BIGINT PRIMARY KEY, owner TEXT NOT NULL, words TSVECTOR NOT NULL);
CREATE INDEX memory_docs_words ON memory_docs USING gin (words);
`
