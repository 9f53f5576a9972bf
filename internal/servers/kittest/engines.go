package kittest

import (
	"testing"

	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
	"drawbridge/internal/tables"
)

// Engines are both engines of the real store, with empty tables for a server.
func Engines(server string) []Database {
	return []Database{
		{Name: tables.SQLite, Open: func(t *testing.T) tables.DB {
			return storetest.SQLite(t).Tables(server)
		}},
		{Name: tables.Postgres, Open: func(t *testing.T) tables.DB {
			cfg := store.Config{StateDir: t.TempDir(), URL: secret.New(storetest.Postgres(t))}
			return storetest.Open(t, cfg).Tables(server)
		}},
	}
}

// Each runs f as a parallel subtest on each engine.
func Each(t *testing.T, server string, f func(t *testing.T, db tables.DB)) {
	t.Helper()
	for _, engine := range Engines(server) {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			f(t, engine.Open(t))
		})
	}
}
