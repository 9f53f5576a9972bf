package kittest

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
)

// Upstream is the fake of the system that a server speaks HTTP to.
type Upstream struct {
	// Fake makes a fresh, healthy one.
	Fake func(t *testing.T) http.Handler
	// Settings are those that lead the server to it. caFile is "" for http.
	Settings func(url, caFile string) map[string]string
	// TLS says that the server takes nothing but https.
	TLS bool
	// Offline names the tools that never ask the system.
	Offline []string
	// TooLarge is more than the server reads of an answer; 0 is 9 MiB.
	TooLarge int
}

// Fault is one way in which a system fails.
type Fault struct {
	Name  string
	Serve http.HandlerFunc
	hangs bool
}

// canary is what failing systems say. Nobody must read it in a result.
const canary = "upstream-said-this-7c31"

// Faults are the ways in which a server's upstream is made to fail.
func (u *Upstream) Faults() []Fault {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"message":%q}`, canary)
		}
	}
	large := u.TooLarge
	if large == 0 {
		large = 9 << 20
	}
	return []Fault{
		{Name: "401", Serve: status(401)}, {Name: "403", Serve: status(403)}, {Name: "404", Serve: status(404)},
		{Name: "409", Serve: status(409)}, {Name: "429", Serve: status(429)}, {Name: "500", Serve: status(500)},
		{Name: "garbage", Serve: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+canary) }},
		{Name: "oversize", Serve: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"message":"%s"}`, strings.Repeat("x", large))
		}},
		{Name: "redirect", Serve: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/"+canary, http.StatusFound)
		}},
		{Name: "hang", hangs: true, Serve: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	}
}

// seen counts changing requests by what they are.
type seen struct {
	mu   sync.Mutex // guards what follows
	all  int
	each map[string]int
}

func (s *seen) add(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all++
	if s.each == nil {
		s.each = map[string]int{}
	}
	s.each[r.Method+" "+r.URL.Path]++
}

// start runs a healthy fake that can be broken.
func (u *Upstream) start(t *testing.T) *place {
	t.Helper()
	at := &place{hit: make(chan struct{})}
	var once sync.Once
	healthy := u.Fake(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := at.broken.Load(); f != nil {
			at.seen.add(r)
			once.Do(func() { close(at.hit) })
			_, _ = io.Copy(io.Discard, r.Body) // so that a client that hangs up is noticed
			f.Serve(w, r)
			return
		}
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
		default:
			at.changes.Add(1)
		}
		healthy.ServeHTTP(w, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // what broken connections say
	t.Cleanup(srv.Close)
	if !u.TLS {
		srv.Start()
		at.url = srv.URL
		return at
	}
	srv.StartTLS()
	at.url, at.caFile = srv.URL, filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(at.caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

// upstream has every tool meet every fault.
func (s Suite) upstream(t *testing.T) {
	for _, f := range s.Upstream.Faults() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			for _, cs := range s.Cases {
				s.meets(t, f, cs)
			}
		})
	}
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewUnstartedServer(s.Upstream.Fake(t))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		for _, cs := range s.Cases {
			if slices.Contains(s.Upstream.Offline, cs.Tool) {
				continue
			}
			server, log := s.open(t, s.Databases[0].Open(t), kit.ModeAll, allSets, &place{url: srv.URL})
			s.clear(t, cs.Tool, NewClient(server, "admin").Approving().Refused(t, cs.Tool, cs.Good), log)
		}
	})
	t.Run("cancel in the middle", func(t *testing.T) {
		t.Parallel()
		for _, cs := range s.Cases {
			s.cancelled(t, cs)
		}
	})
}

// Times for calls that meet a system that hangs.
const (
	hangTime = 300 * time.Millisecond
	soon     = 5 * time.Second
)

// meets calls a tool on a system that has just begun to fail.
func (s Suite) meets(t *testing.T, f Fault, cs Case) {
	t.Helper()
	at := s.Upstream.start(t)
	srv, log := s.open(t, s.Databases[0].Open(t), kit.ModeAll, allSets, at)
	c := NewClient(srv, "admin").Approving()
	s.prepare(t, c, cs, &strings.Builder{})
	at.broken.Store(&f)
	ctx := t.Context()
	if f.hangs {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hangTime)
		defer cancel()
	}
	start := time.Now()
	raw, werr := c.Serve(ctx, t, mcpwire.MethodToolsCall, callParams(cs.Tool, cs.Good))
	if werr != nil {
		t.Errorf("%s: %v", cs.Tool, werr)
		return
	}
	if took := time.Since(start); took > soon {
		t.Errorf("%s took %s", cs.Tool, took)
	}
	r := ParseResult(t, raw)
	offline := slices.Contains(s.Upstream.Offline, cs.Tool)
	at.seen.mu.Lock()
	defer at.seen.mu.Unlock()
	switch {
	case offline && at.seen.all > 0:
		t.Errorf("%s is said to be offline and asked the upstream", cs.Tool)
	case offline, slices.Contains(cs.Survives, f.Name):
	case at.seen.all == 0:
		t.Errorf("%s did not ask the upstream: name it in Offline", cs.Tool)
	case !r.IsError:
		t.Errorf("%s succeeded: %s", cs.Tool, r.Text)
	}
	for what, n := range at.seen.each {
		if n > 1 && !strings.HasPrefix(what, "GET ") && !strings.HasPrefix(what, "HEAD ") {
			t.Errorf("%s sent %s %d times", cs.Tool, what, n)
		}
	}
	s.clear(t, cs.Tool, r.Text, log)
}

// clear checks what is said of a failure: a sentence of ours, without what the
// system said, and without a secret.
func (s Suite) clear(t *testing.T, tool, text string, log *Log) {
	t.Helper()
	if text == "" || strings.Contains(text, fault.PublicInternal) || strings.Contains(text, canary) {
		t.Errorf("%s says %q", tool, text)
	}
	s.noSecrets(t, text, log)
}

// cancelled ends a call while the system hangs.
func (s Suite) cancelled(t *testing.T, cs Case) {
	t.Helper()
	if slices.Contains(s.Upstream.Offline, cs.Tool) {
		return
	}
	at := s.Upstream.start(t)
	srv, _ := s.open(t, s.Databases[0].Open(t), kit.ModeAll, allSets, at)
	c := NewClient(srv, "admin").Approving()
	s.prepare(t, c, cs, &strings.Builder{})
	for _, f := range s.Upstream.Faults() {
		if f.hangs {
			at.broken.Store(&f)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan struct{})
	go func() { // ends with the call; one that hangs fails the test
		defer close(over)
		out := c.Outcome(ctx, t, mcpwire.MethodToolsCall, callParams(cs.Tool, cs.Good))
		if out.Kind == mcpwire.InputRequired {
			out = c.Outcome(ctx, t, mcpwire.MethodToolsCall, c.Retry(t, callParams(cs.Tool, cs.Good), out))
		}
		out.Close()
	}()
	select {
	case <-at.hit:
	case <-over:
		return // it needed no answer
	}
	cancel()
	select {
	case <-over:
	case <-time.After(soon):
		t.Errorf("%s did not return after it was cancelled", cs.Tool)
	}
}
