package kit_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/audit"
	"drawbridge/internal/backend"
	"drawbridge/internal/backend/builtin"
	"drawbridge/internal/gateway"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// noShelf and noRecorder keep nothing.
type noShelf struct{}

func (noShelf) SaveLists(context.Context, string, []byte) error   { return nil }
func (noShelf) LoadLists(context.Context, string) ([]byte, error) { return nil, nil }

type noRecorder struct{}

func (noRecorder) Call(account.Record)        {}
func (noRecorder) Digest([]byte) (d [16]byte) { return d }
func (noRecorder) Intent(context.Context, account.Record) (audit.Intent, error) {
	return audit.Intent{}, nil
}
func (noRecorder) Outcome(context.Context, audit.Intent, account.Outcome, int64) error { return nil }

// person is behind a legacy client: asked on its stream, in the middle of a call.
type person struct {
	answer func() string
	before func() // called when the person is asked
	asked  atomic.Int64
}

func (p *person) Notify(mcpwire.Notification) {}

func (p *person) Ask(_ context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	p.asked.Add(1)
	p.before()
	if q.Method != mcpwire.MethodElicit || p.answer == nil {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	return mcpwire.Answer{Result: []byte(p.answer())}, nil
}

// behindGateway puts a server behind a gateway.
func behindGateway(t *testing.T, srv *kit.Server) *gateway.Gateway {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	g, err := gateway.New(gateway.Config{}, gateway.Deps{Log: log, SealKey: make([]byte, 32), TaskKey: make([]byte, 32),
		Shelf: noShelf{}, Recorder: noRecorder{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	hello := srv.Info()
	dial := builtin.New(log, srv.Name(), backend.Info{Capabilities: hello.Capabilities, ServerInfo: hello.ServerInfo}, srv, srv.Watch)
	b := backend.New(log, backend.Config{Name: srv.Name(), Transport: backend.BuiltIn}, dial, g)
	b.Start(t.Context())
	t.Cleanup(func() { b.Stop(context.Background()); g.Stop() })
	g.SetMembers(t.Context(), []gateway.Member{{Backend: b, Prefix: srv.Name(), Trusted: true}})
	g.AwaitBuiltIn(t.Context())
	return g
}

// The same destructive call through the gateway by a modern client, a legacy one
// with elicitation, and ones with neither (design 4.7): whatever the era, a person
// answers before anything happens, and nobody else can.
func TestConfirm_throughTheGateway(t *testing.T) {
	t.Parallel()
	can := mcpwire.Capabilities{Elicitation: true}
	for _, tc := range []struct {
		name   string
		caller mcpwire.Caller
		answer func() string
		runs   bool
	}{
		{"modern", mcpwire.Caller{Revision: mcpwire.LatestModern, Can: can}, func() string { return kittest.Approves("") }, true},
		{"modern, declined", mcpwire.Caller{Revision: mcpwire.LatestModern, Can: can}, func() string { return kittest.Declines("") }, false},
		{"modern without elicitation", mcpwire.Caller{Revision: mcpwire.LatestModern}, nil, false},
		{"2025-11-25", mcpwire.Caller{Revision: mcpwire.Rev20251125, Can: can}, func() string { return kittest.Approves("") }, true},
		{"2025-06-18", mcpwire.Caller{Revision: mcpwire.Rev20250618, Can: can}, func() string { return kittest.Approves("") }, true},
		{"2025-06-18, declined", mcpwire.Caller{Revision: mcpwire.Rev20250618, Can: can}, func() string { return kittest.Declines("") }, false},
		{"2025-11-25 without elicitation", mcpwire.Caller{Revision: mcpwire.Rev20251125}, nil, false},
		{"2024-11-05", mcpwire.Caller{Revision: mcpwire.Rev20241105, Can: can}, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := &wiper{}
			srv, err := kit.New(w.spec(), kittest.Deps(&kittest.Log{}, nil))
			if err != nil {
				t.Fatal(err)
			}
			g := behindGateway(t, srv)
			p := &person{answer: tc.answer, before: func() {
				if w.wiped.Load() != 0 {
					t.Error("it ran before the person was asked")
				}
			}}
			ctx := account.WithPrincipal(t.Context(), account.Principal{User: "ann", Credential: "key_1", Role: account.RoleMember, Access: account.Everything()})
			send := func(params string) mcpwire.Outcome {
				req, werr := mcpwire.NewRequest(mcpwire.MethodToolsCall, tc.caller.Revision, []byte(params))
				if werr != nil {
					t.Fatal(werr)
				}
				req.Caller = &tc.caller
				return g.Serve(ctx, req, p)
			}
			const params = `{"name":"disks_wipe","arguments":{"disk":"sda"}}`
			out := send(params)
			retry := ""
			if out.Kind == mcpwire.InputRequired {
				p.before()
				p.asked.Add(1)
				retry = kittest.NewClient(srv, "ann").With(mcpwire.LatestModern, func(string) string { return tc.answer() }).Retry(t, params, out)
				if other := send(strings.Replace(retry, "sda", "sdb", 1)); other.Kind == mcpwire.Complete || w.wiped.Load() != 0 {
					t.Errorf("other arguments with the same approval: %v, %d wiped", other.Kind, w.wiped.Load())
				}
				out = send(retry)
			}
			if out.Kind != mcpwire.Complete {
				t.Fatalf("outcome %v, %v", out.Kind, out.Err)
			}
			r := kittest.ParseResult(t, out.Result.Bytes)
			if ran := w.wiped.Load() == 1; ran != tc.runs || r.IsError == tc.runs {
				t.Errorf("%d wiped, %s", w.wiped.Load(), r.Text)
			}
			if tc.answer == nil && (p.asked.Load() != 0 || !strings.Contains(r.Text, "elicitation")) {
				t.Errorf("asked %d times, %s", p.asked.Load(), r.Text)
			}
			if tc.answer != nil && p.asked.Load() != 1 {
				t.Errorf("asked %d times", p.asked.Load())
			}
			if retry != "" {
				before := w.wiped.Load()
				if out := send(retry); w.wiped.Load() != before {
					t.Errorf("a replayed answer ran: %v", out.Kind)
				}
			}
		})
	}
}
