package store_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

var kills = flag.Int("kills", 5, "how many times the durability tests kill a writer, per engine")

// childPlace tells a process that it is the writer of a durability test.
const childPlace = "STORETEST_CHILD"

func TestMain(m *testing.M) {
	if place := os.Getenv(childPlace); place != "" {
		if err := childWrites(place); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// childWrites writes for ever and says on standard output what was acknowledged.
func childWrites(place string) error {
	dir, url, _ := strings.Cut(place, "\n")
	ctx := context.Background()
	s, err := store.Open(ctx, slog.New(slog.DiscardHandler), store.Config{StateDir: dir, URL: secret.New(url)})
	if err != nil {
		return err
	}
	fmt.Println("open", s.Installation())
	for i := 0; ; i++ {
		key, _, err := s.CreateKey(ctx, account.KeyRequest{Name: fmt.Sprintf("%d-%d", os.Getpid(), i), Role: account.RoleMember})
		if err != nil {
			return err
		}
		fmt.Println("live", key.ID)
		if i%2 == 0 {
			if _, err := s.RevokeKey(ctx, key.ID); err != nil {
				return err
			}
			fmt.Println("revoked", key.ID)
		}
	}
}

// A writer is killed again and again; whatever it was told is written is there.
func TestDurability_killedWriter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		acknowledged := map[string]string{} // key id to the last word on it
		for round := range *kills {
			killWriter(t, cfg, 1+rand.IntN(60), acknowledged)
			s, err := open(t, cfg)
			if err != nil {
				t.Fatalf("round %d: open after the kill: %v", round, err)
			}
			keys, err := s.Keys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			state := map[string]string{}
			for _, k := range keys {
				state[k.ID] = k.Status(time.Now())
			}
			for id, word := range acknowledged {
				// A key may be revoked already though only its making was acknowledged.
				if state[id] != word && (word != "live" || state[id] != "revoked") {
					t.Errorf("round %d: key %s was acknowledged as %s and is %q", round, id, word, state[id])
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if len(acknowledged) < *kills/2 {
			t.Errorf("only %d writes in %d rounds: nothing was tested", len(acknowledged), *kills)
		}
	})
}

// The very first start is killed at any moment; the next one succeeds and finds
// either nothing or one whole installation.
func TestDurability_killedFirstStart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		for range *kills {
			cfg := store.Config{StateDir: t.TempDir(), URL: cfg.URL}
			if !cfg.URL.Empty() {
				cfg.URL = secret.New(storetest.Postgres(t))
			}
			cmd, out := startWriter(t, cfg)
			// Not a wait for something: the moment of the kill is meant to be arbitrary.
			time.Sleep(time.Duration(rand.IntN(80)) * time.Millisecond)
			said := kill(t, cmd, out)
			s, err := open(t, cfg)
			if err != nil {
				t.Errorf("start after a killed one: %v", err)
				continue
			}
			if id, ok := strings.CutPrefix(strings.SplitN(said, "\n", 2)[0], "open "); ok && id != s.Installation() {
				t.Errorf("installation %s became %s", id, s.Installation())
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// killWriter runs a writer until it has said n lines, kills it, and notes what
// it said.
func killWriter(t *testing.T, cfg store.Config, n int, acknowledged map[string]string) {
	t.Helper()
	cmd, out := startWriter(t, cfg)
	lines := bufio.NewReader(out)
	var said strings.Builder
	for range n {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		if err != nil {
			t.Errorf("the writer ended by itself: %v after %q", err, said.String())
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(lines) // what it said between the last line read and the kill
	said.Write(rest)
	_ = cmd.Wait() // "signal: killed"
	for line := range strings.Lines(said.String()) {
		word, id, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if ok && strings.HasSuffix(line, "\n") && word != "open" {
			acknowledged[id] = word
		}
	}
}

func startWriter(t *testing.T, cfg store.Config) (*exec.Cmd, io.ReadCloser) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPlace+"="+cfg.StateDir+"\n"+cfg.URL.Reveal())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func kill(t *testing.T, cmd *exec.Cmd, out io.Reader) string {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(out)
	_ = cmd.Wait() // "signal: killed"
	return string(said)
}
