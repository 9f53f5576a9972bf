// Package storetest gives tests a store on each engine. It is imported by tests
// only.
//
// Each runs a test twice, on a fresh SQLite file and on a fresh database of a
// private PostgreSQL cluster; SQLite is for tests that just need a store.
package storetest

import (
	"log/slog"
	"testing"

	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/tables"
)

// Each runs f as a parallel subtest per engine, with the place of a store that
// does not exist yet.
func Each(t *testing.T, f func(t *testing.T, cfg store.Config)) {
	t.Helper()
	t.Run(tables.SQLite, func(t *testing.T) {
		t.Parallel()
		f(t, store.Config{StateDir: t.TempDir()})
	})
	t.Run(tables.Postgres, func(t *testing.T) {
		t.Parallel()
		f(t, store.Config{StateDir: t.TempDir(), URL: secret.New(Postgres(t))})
	})
}

// Open opens a store and closes it when the test ends.
func Open(t testing.TB, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), slog.New(slog.DiscardHandler), cfg)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// SQLite opens a fresh store on SQLite.
func SQLite(t testing.TB) *store.Store {
	t.Helper()
	return Open(t, store.Config{StateDir: t.TempDir()})
}
