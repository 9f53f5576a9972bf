package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/secret"
)

func TestString_showsOnlyItsMask(t *testing.T) {
	t.Parallel()
	const canary = "canary-4711"
	s := secret.New(canary)
	holder := struct{ Key secret.String }{s}
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", s, "holder", holder)
	for _, shown := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s),
		fmt.Sprintf("%v %+v %#v", holder, holder, holder), string(asJSON), log.String(),
	} {
		if strings.Contains(shown, canary) || !strings.Contains(shown, secret.Mask) {
			t.Errorf("shown: %s", shown)
		}
	}
	if s.Reveal() != canary {
		t.Error("Reveal changed the value")
	}
}

func TestRing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	ring := load(t, path)
	at := secret.Place{Table: "backends", Row: "a", Column: "secrets"}
	sealed := ring.Seal(at, []byte("hunter2"))
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Fatal("sealed value shows the plain one")
	}

	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", info.Mode(), err)
	}
	if plain, err := load(t, path).Open(at, sealed); err != nil || string(plain) != "hunter2" {
		t.Errorf("opened by a ring loaded again: %q %v", plain, err)
	}

	moved := []secret.Place{
		{Table: "backends", Row: "b", Column: "secrets"},
		{Table: "backends", Row: "a", Column: "spec"},
		{Table: "backendsa", Row: "", Column: "secrets"},
	}
	for _, place := range moved {
		if _, err := ring.Open(place, sealed); !errors.Is(err, secret.ErrBroken) {
			t.Errorf("opened at %v: %v", place, err)
		}
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		if _, err := ring.Open(at, altered); err == nil {
			t.Errorf("opened with byte %d altered", i)
		}
	}
	for n := range sealed {
		if _, err := ring.Open(at, sealed[:n]); err == nil {
			t.Errorf("opened when cut to %d bytes", n)
		}
	}
	other := load(t, filepath.Join(t.TempDir(), "other.key"))
	if _, err := other.Open(at, sealed); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("opened with another key file: %v", err)
	}
}

func TestRing_newKeySealsOldOneOpens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	at := secret.Place{Table: "t", Row: "r", Column: "c"}
	old := load(t, path)
	sealed := old.Seal(at, []byte("first"))
	if err := secret.AddKey(path); err != nil {
		t.Fatal(err)
	}
	ring := load(t, path)
	if plain, err := ring.Open(at, sealed); err != nil || string(plain) != "first" {
		t.Errorf("value of the old key: %q %v", plain, err)
	}
	if _, err := old.Open(at, ring.Seal(at, []byte("second"))); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("new values are sealed with the old key: %v", err)
	}
}

func TestLoadRing_refuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	load(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Replace(good, good[len(good)-8:len(good)-4], []byte("AAAA"), 1)
	for name, c := range map[string]struct {
		content []byte
		mode    os.FileMode
		want    string
	}{
		"others may read": {good, 0o644, "chmod 600"},
		"empty":           {nil, 0o600, "no key"},
		"comments only":   {[]byte("# nothing\n"), 0o600, "no key"},
		"cut":             {good[:len(good)-12], 0o600, "not a key"},
		"altered key":     {flipped, 0o600, "does not fit"},
		"garbage":         {[]byte("\x00\x01\x02"), 0o600, "not a key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "secret.key")
			if err := os.WriteFile(path, c.content, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := secret.LoadRing(path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, c.content) {
				t.Error("the refused file was changed")
			}
		})
	}
}

func TestLoadRing_oneKeyWhenManyCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	at := secret.Place{Table: "t"}
	sealed := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range sealed {
		wg.Go(func() {
			if ring, err := secret.LoadRing(path); err == nil {
				sealed[i] = ring.Seal(at, []byte{byte(i)})
			}
		})
	}
	wg.Wait()
	ring := load(t, path)
	for i, s := range sealed {
		if plain, err := ring.Open(at, s); err != nil || plain[0] != byte(i) {
			t.Errorf("ring %d had another key: %v", i, err)
		}
	}
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token, hash := secret.NewToken(secret.PrefixKey)
		v := token.Reveal()
		if seen[v] {
			t.Fatal("the same token twice")
		}
		seen[v] = true
		if hash != secret.Hash(v) || !secret.WellFormed(secret.PrefixKey, v) || len(v) != 53 {
			t.Fatalf("token %q does not fit", v)
		}
		typo := []byte(v)
		typo[10] = 'A' + (typo[10]+1)%20
		if string(typo) != v && secret.WellFormed(secret.PrefixKey, string(typo)) {
			t.Fatalf("typo in %q not seen", v)
		}
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{7}, 32)
	a, b := secret.Derive(key, "sessions"), secret.Derive(key, "seals")
	if len(a) != 32 || bytes.Equal(a, b) || bytes.Equal(a, key) {
		t.Error("keys of two labels must be unrelated")
	}
	if !bytes.Equal(a, secret.Derive(key, "sessions")) {
		t.Error("the same label gave another key")
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	password := secret.New("correct horse")
	hash := secret.HashPassword(password)
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(hash, "horse") {
		t.Errorf("hash %q", hash)
	}
	if hash == secret.HashPassword(password) {
		t.Error("two hashes share a salt")
	}
	if !secret.CheckPassword(hash, password) {
		t.Error("the right password was refused")
	}
	huge := strings.Replace(hash, "m=19456", "m=99999999", 1)
	for _, bad := range []string{"", "x", "$argon2id$v=19$m=1,t=1,p=1$$", huge, hash[:len(hash)-30]} {
		if secret.CheckPassword(bad, password) {
			t.Errorf("hash %q accepted", bad)
		}
	}
	if secret.CheckPassword(hash, secret.New("correct horse ")) || secret.CheckPassword("", secret.New("")) {
		t.Error("a wrong password was accepted")
	}
	if a, b := secret.NewPassword().Reveal(), secret.NewPassword().Reveal(); a == b || len(a) != 23 {
		t.Errorf("passwords %q %q", a, b)
	}
}

func TestRedactor(t *testing.T) {
	t.Parallel()
	token, _ := secret.NewToken(secret.PrefixKey)
	r := secret.NewRedactor(secret.New("p@ss w0rd"), secret.New("p@ss w0rd-inner-longer"),
		secret.New("-----BEGIN KEY-----\nMIIEvQIBADANB\n"), secret.New("abc"), secret.New(""))
	for _, c := range []struct{ text, want string }{
		{"login with p@ss w0rd failed", "login with *** failed"},
		{"GET /?key=p%40ss+w0rd", "GET /?key=***"},
		{"GET /p@ss%20w0rd/x", "GET /***/x"},
		{"inner p@ss w0rd-inner-longer", "inner ***"},
		{"a line of it: MIIEvQIBADANB", "a line of it: ***"},
		{"stray " + token.Reveal() + ".", "stray ***."},
		{"nothing to hide: abc", "nothing to hide: abc"},
	} {
		if got := r.Redact(c.text); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func load(t *testing.T, path string) *secret.Ring {
	t.Helper()
	ring, err := secret.LoadRing(path)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
