package gatewaytest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"drawbridge/internal/app"
	"drawbridge/internal/config"
)

// Key is the static admin key of every gateway that Run starts.
const Key = "gatewaytest-static-key-0123456789abcdef"

// Gateway is the real program, running in process.
type Gateway struct {
	App  *app.App
	Base string // URL without a path
	Dir  string // state directory
	t    testing.TB
	file string

	log     string // file of its log
	secrets Secrets
}

// Run starts the program on a free port with a configuration file of the given
// text (YAML or JSON), and stops it when the test ends. No secret may then be found
// in what it has logged or stored: the static key, what was made known by Secret, or
// anything that has the form of a token (threat T21).
func Run(t testing.TB, text string) *Gateway {
	t.Helper()
	dir := t.TempDir()
	g := &Gateway{t: t, Dir: filepath.Join(dir, "state"), file: filepath.Join(dir, "drawbridge.yaml"), log: filepath.Join(dir, "log")}
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Secret("static key", Key)
	g.start()
	t.Cleanup(func() { g.keepsSecrets(t) }) // once it has stopped
	t.Cleanup(g.Stop)
	return g
}

// config reads the gateway's configuration, away from the real environment.
func (g *Gateway) config() *config.Config {
	g.t.Helper()
	cfg, _, err := config.Load(config.Source{
		File: g.file, Dir: filepath.Dir(g.file),
		Flags:   map[string]string{"listen": "127.0.0.1:0", "state-dir": g.Dir},
		Environ: []string{"GATEWAY_STATIC_API_KEY=" + Key, "HOME=" + filepath.Dir(g.file), "PATH=" + os.Getenv("PATH"), "PUPPETEER_ENABLED=false"},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return cfg
}

func (g *Gateway) start() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = log.Close() }) // what it would lose is of no use then
	handler := slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	if g.App, err = app.New(ctx, slog.New(handler), g.config(), app.Options{Version: "test", Environ: os.Environ()}); err != nil {
		g.t.Fatal(err)
	}
	if err := g.App.Start(ctx); err != nil {
		g.t.Fatal(err)
	}
	g.Base = "http://" + g.App.Addr().String()
}

// Stop stops the program as SIGTERM does.
func (g *Gateway) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := g.App.Stop(ctx); err != nil {
		g.t.Errorf("stop: %v", err)
	}
}

// Restart stops the program and starts it again on the same state.
func (g *Gateway) Restart() {
	g.t.Helper()
	g.Stop()
	g.start()
}

// Reload gives the program another configuration text.
func (g *Gateway) Reload(text string) error {
	g.t.Helper()
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return g.App.Reload(g.t.Context(), g.config())
}

// Dial connects a client of a revision.
func (g *Gateway) Dial(revision string) *Client {
	g.t.Helper()
	return Dial(g.t, g.Base, Key, revision)
}

// WaitTools waits until a list of tools holds the names given.
func (g *Gateway) WaitTools(names ...string) {
	g.t.Helper()
	c := g.Dial(R2026)
	g.WaitFor("tools to be listed", func() bool {
		list := c.Call("tools/list", "").Result()
		for _, n := range names {
			if !containsName(list, n) {
				return false
			}
		}
		return true
	})
}

// WaitFor polls until f is true. It is for what other processes do, which no
// fake clock can hurry.
func (g *Gateway) WaitFor(what string, f func() bool) {
	g.t.Helper()
	if !Poll(30*time.Second, f) {
		g.t.Fatalf("waited too long for %s", what)
	}
}

// Poll asks f until it says yes, for what gives no sign when it happens; false
// after the given time.
func Poll(patience time.Duration, f func() bool) bool {
	deadline := time.Now().Add(patience)
	for !f() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
