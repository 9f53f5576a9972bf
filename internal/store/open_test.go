package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// open opens a store that is expected to be refused or closed by the test.
func open(t *testing.T, cfg store.Config) (*store.Store, error) {
	t.Helper()
	return store.Open(t.Context(), slog.New(slog.DiscardHandler), cfg)
}

// once makes a store with one key and closes it.
func once(t *testing.T, cfg store.Config) {
	t.Helper()
	s, err := open(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bootstrap(t.Context(), secret.New("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// raw runs a statement past the store.
func raw(t *testing.T, cfg store.Config, statement string) {
	t.Helper()
	driver, dsn := "sqlite", file(cfg)
	if !cfg.URL.Empty() {
		driver, dsn = "pgx", cfg.URL.Reveal()
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func file(cfg store.Config) string { return filepath.Join(cfg.StateDir, "drawbridge.db") }

// refused checks that cfg is refused for a reason, in a text that says what to
// do, and that nothing was made up in its place.
func refused(t *testing.T, cfg store.Config, reason error, advice string) {
	t.Helper()
	s, err := open(t, cfg)
	if err == nil {
		s.Close()
		t.Fatal("was opened")
	}
	if !errors.Is(err, reason) {
		t.Errorf("reason: %v, want %v", err, reason)
	}
	if public := fault.PublicOf(err); !strings.Contains(public, advice) {
		t.Errorf("public text %q does not say %q", public, advice)
	}
}

func TestOpen_again(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		once(t, cfg)
		s := storetest.Open(t, cfg)
		secretOne, err := s.InstallationSecret(t.Context())
		if err != nil || len(secretOne) != 32 {
			t.Fatalf("secret of %d bytes: %v", len(secretOne), err)
		}
		second := storetest.Open(t, cfg)
		secretTwo, err := second.InstallationSecret(t.Context())
		if err != nil || !bytes.Equal(secretOne, secretTwo) || s.Installation() != second.Installation() {
			t.Errorf("the installation changed: %v", err)
		}
		if keys, err := second.Keys(t.Context()); err != nil || len(keys) != 1 {
			t.Errorf("keys %v: %v", keys, err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOpen_manyAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		var wg sync.WaitGroup
		ids := make([]string, 6)
		for i := range ids {
			wg.Go(func() {
				s, err := open(t, cfg)
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				ids[i] = s.Installation()
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id == "" || id != ids[0] {
				t.Errorf("installations %v", ids)
			}
		}
	})
}

func TestOpen_refusesNewer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		once(t, cfg)
		raw(t, cfg, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)")
		refused(t, cfg, store.ErrNewer, "Install the newer program")
		raw(t, cfg, "DELETE FROM goose_db_version WHERE version_id = 9999")
		storetest.Open(t, cfg)
	})
}

func TestOpen_refusesAfterKeyFileIsLost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		once(t, cfg)
		keyFile := filepath.Join(cfg.StateDir, "secret.key")
		good, err := os.ReadFile(keyFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(keyFile); err != nil {
			t.Fatal(err)
		}
		refused(t, cfg, store.ErrKeyFile, "Put it back from a backup")
		if _, err := os.Stat(keyFile); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a new key file was made")
		}
		if _, err := secret.LoadRing(keyFile); err != nil { // another installation's
			t.Fatal(err)
		}
		refused(t, cfg, store.ErrKeyFile, "does not fit")
		if err := os.WriteFile(keyFile, good, 0o600); err != nil {
			t.Fatal(err)
		}
		storetest.Open(t, cfg)
	})
}

func TestOpen_refusesWhenDatabaseIsMissing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		once(t, cfg)
		if cfg.URL.Empty() {
			if err := os.Rename(file(cfg), file(cfg)+".away"); err != nil {
				t.Fatal(err)
			}
		} else {
			raw(t, cfg, "ALTER SCHEMA public RENAME TO away")
			raw(t, cfg, "CREATE SCHEMA public")
		}
		refused(t, cfg, store.ErrMissing, "Put the database back")
		if cfg.URL.Empty() {
			if _, err := os.Stat(file(cfg)); !errors.Is(err, fs.ErrNotExist) {
				t.Error("an empty database was made")
			}
			if err := os.WriteFile(file(cfg), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, cfg, store.ErrMissing, "Put the database back")
		}
		// What the text advises for a new beginning works.
		if err := os.Remove(filepath.Join(cfg.StateDir, "initialized")); err != nil {
			t.Fatal(err)
		}
		if keys, err := storetest.Open(t, cfg).Keys(t.Context()); err != nil || len(keys) != 0 {
			t.Errorf("new beginning: %v %v", keys, err)
		}
	})
}

func TestOpen_refusesAnotherInstallation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		once(t, cfg)
		marker := filepath.Join(cfg.StateDir, "initialized")
		if err := os.WriteFile(marker, []byte("installation 0123456789\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, cfg, store.ErrForeign, "belong together")
		// A marker that lost its content still guards, and is written again.
		if err := os.WriteFile(marker, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := storetest.Open(t, cfg)
		if text, err := os.ReadFile(marker); err != nil || !strings.Contains(string(text), s.Installation()) {
			t.Errorf("marker %q: %v", text, err)
		}
	})
}

func TestOpen_refusesCorruptFile(t *testing.T) {
	t.Parallel()
	pages := func(t *testing.T, content []byte) []byte {
		for at := 4096; at+4096 <= len(content); at += 4096 { // all but the first page
			copy(content[at:], bytes.Repeat([]byte{0xa5}, 64))
		}
		return content
	}
	for name, damage := range map[string]func(*testing.T, []byte) []byte{
		"pages overwritten":  pages,
		"header overwritten": func(_ *testing.T, c []byte) []byte { copy(c, "not a database at all"); return c },
		"cut in half":        func(_ *testing.T, c []byte) []byte { return c[:len(c)/2] },
		"text":               func(*testing.T, []byte) []byte { return []byte("hello") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := store.Config{StateDir: t.TempDir()}
			once(t, cfg)
			content, err := os.ReadFile(file(cfg))
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(t, bytes.Clone(content))
			if err := os.WriteFile(file(cfg), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, cfg, store.ErrCorrupt, "restore the latest backup")
			if after, err := os.ReadFile(file(cfg)); err != nil || !bytes.Equal(after, damaged) {
				t.Errorf("the damaged file was changed: %v", err)
			}
			// Restoring what was there heals it.
			if err := os.WriteFile(file(cfg), content, 0o600); err != nil {
				t.Fatal(err)
			}
			if keys, err := storetest.Open(t, cfg).Keys(t.Context()); err != nil || len(keys) != 1 {
				t.Errorf("restored: %v %v", keys, err)
			}
		})
	}
}

func TestOpen_refusesForeignFile(t *testing.T) {
	t.Parallel()
	cfg := store.Config{StateDir: t.TempDir()}
	raw(t, cfg, "CREATE TABLE recipes (name TEXT)")
	refused(t, cfg, store.ErrForeign, "another program")
}

func TestOpen_privateFiles(t *testing.T) {
	t.Parallel()
	cfg := store.Config{StateDir: filepath.Join(t.TempDir(), "a", "state dir%20?#")}
	once(t, cfg)
	err := filepath.WalkDir(cfg.StateDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file(cfg)); err != nil {
		t.Errorf("the database is elsewhere: %v", err)
	}
}

func TestOpen_saysWhatIsWrong(t *testing.T) {
	t.Parallel()
	password := "canary-password"
	dir := t.TempDir()
	for name, c := range map[string]struct {
		cfg    store.Config
		advice string
	}{
		"nothing configured":  {store.Config{}, "--state-dir"},
		"path is a directory": {store.Config{StateDir: dir, Path: dir}, "Name a file"},
		"not a URL":           {store.Config{StateDir: t.TempDir(), URL: secret.New("postgres://u:" + password + "@h:x/d")}, "Write it as"},
		"nobody listens":      {store.Config{StateDir: t.TempDir(), URL: secret.New("postgres://u:" + password + "@127.0.0.1:1/d")}, "Start the database server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, c.cfg)
			if err == nil || !strings.Contains(fault.PublicOf(err), c.advice) {
				t.Errorf("error %v", err)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
}

func TestOpen_cancelled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if s, err := store.Open(ctx, slog.New(slog.DiscardHandler), cfg); err == nil {
			s.Close()
			t.Error("opened with a context that was over")
		}
		storetest.Open(t, cfg)
	})
}

func TestLock_oneServe(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		first, second := storetest.Open(t, cfg), storetest.Open(t, cfg)
		release, err := first.Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = second.Lock(t.Context())
		if !errors.Is(err, store.ErrLocked) || fault.CodeOf(err) != fault.Conflict || !strings.Contains(fault.PublicOf(err), "Stop it") {
			t.Errorf("second serve: %v", err)
		}
		// A command of the CLI works beside it.
		if _, _, err := second.CreateKey(t.Context(), account.KeyRequest{Name: "beside", Role: account.RoleMember, Rights: account.FullRights()}); err != nil {
			t.Errorf("write beside serve: %v", err)
		}
		release()
		again, err := second.Lock(t.Context())
		if err != nil {
			t.Fatalf("after release: %v", err)
		}
		again()
		again() // twice does no harm
	})
}

func TestStore_sealsAndHashes(t *testing.T) {
	t.Parallel()
	cfg := store.Config{StateDir: t.TempDir()}
	s := storetest.Open(t, cfg)
	password, token := secret.New("canary-pass-1234"), secret.New("canary-token-5678")
	if _, err := s.Bootstrap(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	_, key, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", Role: account.RoleMember, Rights: account.FullRights()})
	if err != nil {
		t.Fatal(err)
	}
	backend := store.Backend{Name: "b", Spec: []byte(`{"url":"https://visible.example"}`), Secrets: map[string]secret.String{"headers.X": token}}
	if err := s.PutBackend(t.Context(), backend); err != nil {
		t.Fatal(err)
	}
	installation, err := s.InstallationSecret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]secret.String{}
	newToken := func(what, prefix string) (hash [32]byte) {
		tokens[what], hash = secret.NewToken(prefix)
		return hash
	}
	client := program("app")
	client.SecretHash = newToken("client's secret", oauth.PrefixSecret)
	must(t, s.CreateClient(t.Context(), client))
	code := newToken("code", oauth.PrefixCode)
	must(t, s.CreateCode(t.Context(), oauth.Code{
		Hash: code, User: account.Admin, Client: "app", Resource: "/mcp", Rights: account.FullRights(), Expires: time.Now().Add(time.Minute),
		PasswordHash: hashOf(t, s, account.Admin),
	}))
	m := oauth.Minted{Access: newToken("access token", oauth.PrefixAccess), Refresh: newToken("refresh token", oauth.PrefixRefresh)}
	_, err = s.RedeemCode(t.Context(), code, time.Now(), allow, give(m))
	must(t, err)
	must(t, s.CreateSignIn(t.Context(), account.SignIn{ID: newToken("cookie", oauth.PrefixSignIn), User: account.Admin, Created: time.Now(), Expires: time.Now().Add(time.Hour), PasswordHash: hashOf(t, s, account.Admin)}))
	var dump []byte
	for _, name := range []string{file(cfg), file(cfg) + "-wal"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		dump = append(dump, content...)
	}
	if !bytes.Contains(dump, []byte("visible.example")) {
		t.Error("the dump misses what is not secret: the test looks in the wrong place")
	}
	for what, value := range map[string]string{
		"password": password.Reveal(), "key": key.Reveal(), "backend's secret": token.Reveal(), "installation secret": string(installation),
	} {
		if bytes.Contains(dump, []byte(value)) {
			t.Errorf("the database shows the %s", what)
		}
	}
	for what, value := range tokens {
		if bytes.Contains(dump, []byte(value.Reveal())) {
			t.Errorf("the database shows the %s", what)
		}
	}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	cfg := store.Config{StateDir: t.TempDir()}
	s := storetest.Open(t, cfg)
	if _, err := s.Bootstrap(t.Context(), secret.New("x")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("copy: %v %v", info, err)
	}
	if err := s.Backup(t.Context(), path); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("over an existing file: %v", err)
	}
	other := storetest.Open(t, store.Config{StateDir: cfg.StateDir, Path: path})
	if keys, err := other.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("copy has keys %v: %v", keys, err)
	}
}
