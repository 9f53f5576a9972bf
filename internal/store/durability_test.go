package store_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

var kills = flag.Int("kills", 20, "how many times the durability tests kill a writer under load, per engine")

// childPlace tells a process that it is the writer of a durability test.
const childPlace = "STORETEST_CHILD"

func TestMain(m *testing.M) {
	if place := os.Getenv(childPlace); place != "" {
		if err := load(place); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A process under load is killed again and again; whatever it was told is written
// is there, what was ended stays ended, and no code is good for a second time.
func TestDurability_killedWriter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		l := newLedger()
		for round := range *kills {
			l.begin()
			killWriter(t, cfg, 1+rand.IntN(150), l.note)
			s, err := open(t, cfg)
			if err != nil {
				t.Fatalf("round %d: open after the kill: %v", round, err)
			}
			if round == *kills-1 {
				l.beginLast()
			}
			l.check(t, s)
			must(t, s.Close())
			if t.Failed() {
				t.Fatalf("in round %d", round)
			}
		}
		t.Logf("%d kills, %d operations acknowledged", *kills, l.acknowledged)
		if l.acknowledged < *kills*10 {
			t.Errorf("only %d operations in %d rounds: little was tested", l.acknowledged, *kills)
		}
	})
}

// The very first start is killed at any moment; the next one succeeds and finds
// either nothing or one whole installation.
func TestDurability_killedFirstStart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		for range 5 + *kills/4 {
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

// killWriter runs a writer until it has said n lines, kills it, and hands over
// every whole line.
func killWriter(t *testing.T, cfg store.Config, n int, note func(line string)) {
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
	// Not a wait for something: the moment of the kill is meant to be arbitrary.
	time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	said.WriteString(kill(t, cmd, lines))
	for line := range strings.Lines(said.String()) {
		if line, whole := strings.CutSuffix(line, "\n"); whole {
			note(line)
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
