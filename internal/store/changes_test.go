package store_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

func TestChanges_ofAnotherProcess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		server, cli := storetest.Open(t, cfg), storetest.Open(t, cfg)
		changes := server.Changes(t.Context())
		for _, c := range []struct {
			topic store.Topic
			write func() error
		}{
			{store.Keys, func() error {
				_, _, err := cli.CreateKey(t.Context(), account.KeyRequest{Name: "k", Role: account.RoleMember, Rights: account.FullRights()})
				return err
			}},
			{store.Backends, func() error { return cli.PutBackend(t.Context(), store.Backend{Name: "b", Spec: []byte("{}")}) }},
			{store.Keys, func() error { _, err := cli.RevokeKey(t.Context(), "k"); return err }},
			{store.Backends, func() error { return cli.DeleteBackend(t.Context(), "b") }},
		} {
			before, err := server.KeysVersion()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.write(); err != nil {
				t.Fatal(err)
			}
			written := time.Now()
			got := receive(t, changes)
			if got.Topic != c.topic {
				t.Errorf("change of %v, want %v", got.Topic, c.topic)
			}
			// The promise is a second; the machine may be busy with other tests.
			if took := time.Since(written); took > 2*time.Second {
				t.Errorf("seen after %v", took)
			}
			after, err := server.KeysVersion()
			if err != nil || (after > before) != (c.topic == store.Keys) {
				t.Errorf("version of keys %d after %d: %v", after, before, err)
			}
		}
	})
}

func TestChanges_ofThisProcess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		changes := s.Changes(ctx)
		for range 3 {
			if err := s.PutBackend(t.Context(), store.Backend{Name: "b", Spec: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
		if got := receive(t, changes); got.Topic != store.Backends {
			t.Errorf("change of %v", got.Topic)
		}
		cancel()
		for range changes { // ends, because the channel is closed
		}
	})
}

func TestChanges_endWithTheStore(t *testing.T) {
	t.Parallel()
	s, err := open(t, store.Config{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	changes := s.Changes(t.Context())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if c, ok := <-changes; ok {
		t.Errorf("change %v", c)
	}
}

func TestStore_quietWritesAreNoChanges(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		changes := s.Changes(t.Context())
		if err := s.TouchKeys(t.Context(), []account.Use{{ID: "k", At: time.Now()}}); err != nil {
			t.Fatal(err)
		}
		if err := s.SaveCatalogue(t.Context(), "b", []byte("x"), time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := s.PutBackend(t.Context(), store.Backend{Name: "b", Spec: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, changes); got.Topic != store.Backends {
			t.Errorf("a quiet write was told as %v", got.Topic)
		}
	})
}

func TestStore_goesDownWhenItsFileIsRemoved(t *testing.T) {
	t.Parallel()
	cfg := store.Config{StateDir: t.TempDir()}
	s := storetest.Open(t, cfg)
	if err := os.Rename(file(cfg), file(cfg)+".away"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Down():
	case <-time.After(20 * time.Second):
		t.Fatal("nobody noticed")
	}
	if !errors.Is(s.Err(), store.ErrGone) {
		t.Errorf("reason: %v", s.Err())
	}
	if _, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", Role: account.RoleAdmin, Rights: account.FullRights()}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("write into nothing: %v", err)
	}
	if _, err := s.KeysVersion(); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("keys are still vouched for: %v", err)
	}
}

func receive(t *testing.T, changes <-chan store.Change) store.Change {
	t.Helper()
	select {
	case c, ok := <-changes:
		if !ok {
			t.Fatal("feed ended")
		}
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("no change was seen")
		return store.Change{}
	}
}

// The server throws out every connection, as a restart does: the feed and the
// lock come back by themselves.
func TestPostgres_connectionsLost(t *testing.T) {
	t.Parallel()
	cfg := store.Config{StateDir: t.TempDir(), URL: secret.New(storetest.Postgres(t))}
	server, cli := storetest.Open(t, cfg), storetest.Open(t, cfg)
	release, err := server.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	changes := server.Changes(t.Context())
	raw(t, cfg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'drawbridge' AND datname = current_database()")
	for {
		// The pool may hand out a connection that it does not know to be dead.
		err := cli.PutBackend(t.Context(), store.Backend{Name: "b", Spec: []byte("{}")})
		if err == nil {
			break
		}
		if fault.CodeOf(err) != fault.Unavailable {
			t.Fatalf("write on a lost connection: %v", err)
		}
	}
	if got := receive(t, changes); got.Topic != store.Backends {
		t.Errorf("change of %v", got.Topic)
	}
	// Taken again at the latest when the holder looks; until then cli could have it.
	for deadline := time.Now().Add(20 * time.Second); ; {
		other, err := cli.Lock(t.Context())
		if errors.Is(err, store.ErrLocked) {
			break
		}
		if err != nil && fault.CodeOf(err) != fault.Unavailable || time.Now().After(deadline) {
			t.Fatalf("the lock was not taken again: %v", err)
		}
		if err == nil {
			other()
		}
	}
	if server.Err() != nil {
		t.Errorf("the server gave up: %v", server.Err())
	}
}
