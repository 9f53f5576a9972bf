package stdio_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/stdio"
	"drawbridge/internal/mcpwire"

	"github.com/google/go-cmp/cmp"
)

func yes(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{Result: []byte(`{"yes":true}`)}, nil
}

func TestQuestion_toTheOnlyCall(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", ""))
	const cannot = `{"answer":{"code":-32601,"message":"The client of this call cannot answer this."}}`
	for _, tt := range []struct {
		name, method string
		can          mcpwire.Capabilities
		answer       func(context.Context, mcpwire.Question) (mcpwire.Answer, error)
		want         string
	}{
		{"answered", "elicitation/create", everything, yes, `{"answer":{"yes":true}}`},
		{"sampling answered", "sampling/createMessage", everything, yes, `{"answer":{"yes":true}}`},
		{"roots answered", "roots/list", everything, yes, `{"answer":{"yes":true}}`},
		{"the client answers with an error", "elicitation/create", everything, func(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
			return mcpwire.Answer{Err: mcpwire.Errorf(-1, "no")}, nil
		}, `{"answer":{"code":-1,"message":"no"}}`},
		{"cannot elicit", "elicitation/create", mcpwire.Capabilities{}, yes, cannot},
		{"cannot sample", "sampling/createMessage", mcpwire.Capabilities{}, yes, cannot},
		{"has no roots", "roots/list", mcpwire.Capabilities{}, yes, cannot},
		{"gone", "elicitation/create", everything, nil, cannot},
	} {
		req := request(t, mcpwire.Rev20251125, "ask", `{"text":"`+tt.method+`"}`, `{}`)
		req.Caller.Can = tt.can
		s := &sink{answer: tt.answer}
		out := p.Serve(t.Context(), req, s)
		if string(out.Result.Bytes) != tt.want {
			t.Errorf("%s: the server got %s, want %s", tt.name, out.Result.Bytes, tt.want)
		}
		if asked := len(s.asked) == 1; asked != (tt.can == everything) {
			t.Errorf("%s: asked %q", tt.name, s.asked)
		}
	}
}

func TestQuestion_declinedWhileSeveralCallsRun(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", ""))
	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan mcpwire.Outcome, 1)
	other := &sink{answer: yes}
	req := request(t, mcpwire.Rev20251125, "hang", `{}`, `{}`)
	go func() { hung <- p.Serve(ctx, req, other) }()
	stateOf(t, p)
	asker := &sink{answer: yes}
	out := p.Serve(t.Context(), request(t, mcpwire.Rev20251125, "ask", `{"text":"elicitation/create"}`, `{}`), asker)
	if string(out.Result.Bytes) != `{"answer":{"action":"cancel"}}` || len(asker.asked)+len(other.asked) != 0 {
		t.Errorf("got %s; asked %q and %q", out.Result.Bytes, asker.asked, other.asked)
	}
	cancel()
	<-hung
}

func TestQuestion_endsWithItsCall(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", ""))
	ended := make(chan error, 2) // the second question may come before its call's answer, or too late
	s := &sink{answer: func(ctx context.Context, _ mcpwire.Question) (mcpwire.Answer, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return mcpwire.Answer{}, ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	out := p.Serve(ctx, request(t, mcpwire.Rev20251125, "ask", `{"text":"elicitation/create"}`, `{}`), s)
	if out.Kind != mcpwire.Failed || len(ended) != 1 {
		t.Errorf("got %+v with %d questions ended", out, len(ended))
	}
	out = p.Serve(t.Context(), request(t, mcpwire.Rev20251125, "ask-and-end", `{}`, `{}`), s)
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	if string(out.Result.Bytes) != `{"done":true}` {
		t.Errorf("got %s", out.Result.Bytes)
	}
	if stateOf(t, p); s.after {
		t.Error("the sink was used after the call")
	}
}

func TestRequest_pingAndUnknown(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", ""))
	if out := call(t, p, "ping-back", `{"text":"ping"}`); string(out.Result.Bytes) != `{"answer":{}}` {
		t.Errorf("ping got %s", out.Result.Bytes)
	}
	if out := call(t, p, "ping-back", `{"text":"tasks/list"}`); !strings.Contains(string(out.Result.Bytes), "-32601") {
		t.Errorf("an unknown request got %s", out.Result.Bytes)
	}
}

func TestInteractive_declaresWhatTheClientCan(t *testing.T) {
	t.Parallel()
	d := dialer(t, "2025-11-25", "", func(c *stdio.Config) { c.Interactive = true })
	if d.Shared() {
		t.Error("an interactive command is not shared")
	}
	p, err := d.Dial(t.Context(), backend.Hello{Capabilities: mcpwire.Capabilities{Elicitation: true, ElicitationURL: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	if caps := string(p.Info().Capabilities); !strings.Contains(caps, `"declared":{"elicitation":{"form":{},"url":{}}}`) {
		t.Errorf("declared in %s", caps)
	}
	shared := dial(t, dialer(t, "2025-11-25", ""))
	if caps := string(shared.Info().Capabilities); !strings.Contains(caps, `"declared":{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{"listChanged":true}}`) {
		t.Errorf("declared in %s", caps)
	}
}

func TestLog_levels(t *testing.T) {
	t.Parallel()
	levels := func(notes []string) (got []string) {
		for _, n := range notes {
			for _, level := range []string{"debug", "info", "error"} {
				if strings.Contains(n, `"`+level+`"`) {
					got = append(got, level)
				}
			}
		}
		return got
	}
	p := dial(t, dialer(t, "2025-11-25", ""))
	for _, tt := range []struct {
		rev   mcpwire.Revision
		level string
		want  []string
		set   string // on the server afterwards
	}{
		{mcpwire.Rev20251125, "", []string{"debug", "info", "error"}, ""},
		{mcpwire.Rev20260728, "", nil, ""},
		{mcpwire.Rev20260728, "error", []string{"error"}, "error"},
		{mcpwire.Rev20251125, "", []string{"debug", "info", "error"}, "info"},
		{mcpwire.Rev20251125, "info", []string{"info", "error"}, "info"},
		{mcpwire.Rev20251125, "debug", []string{"debug", "info", "error"}, "debug"},
		{mcpwire.Rev20251125, "emergency", nil, "debug"},
		{mcpwire.Rev20251125, "nonsense", []string{"debug", "info", "error"}, "debug"},
	} {
		var s sink
		req := request(t, tt.rev, "log", `{}`, `{}`)
		req.Caller.LogLevel = tt.level
		p.Serve(t.Context(), req, &s)
		if diff := cmp.Diff(tt.want, levels(s.heard())); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", tt.rev, tt.level, diff)
		}
		req = request(t, mcpwire.Rev20260728, "state", `{}`, `{}`)
		out := p.Serve(t.Context(), req, &s)
		if !strings.Contains(string(out.Result.Bytes), `"level":"`+tt.set+`"`) {
			t.Errorf("%s %q: want level %q on the server, got %s", tt.rev, tt.level, tt.set, out.Result.Bytes)
		}
	}
}

// watch runs a Watch and returns what it honours and a way to end it.
func watch(t *testing.T, p backend.Peer, f mcpwire.Filter, s mcpwire.Sink) (mcpwire.Filter, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	honoured, done := make(chan mcpwire.Filter, 1), make(chan error, 1)
	go func() { done <- p.Watch(ctx, f, s, func(f mcpwire.Filter) { honoured <- f }) }()
	stop := func() error { cancel(); return <-done }
	select {
	case f := <-honoured:
		return f, stop
	case err := <-done:
		t.Fatalf("watch ended: %v", err)
		return f, stop
	}
}

func TestWatch_legacy(t *testing.T) {
	t.Parallel()
	d := dialer(t, "2025-11-25", "")
	p := dial(t, d)
	s := &sink{answer: yes}
	_, stop := watch(t, p, mcpwire.Filter{}, s)
	var own sink
	p.Serve(t.Context(), request(t, mcpwire.Rev20251125, "changed", `{}`, `{}`), &own)
	if notes := s.heard(); len(notes) != 1 || notes[0] != "notifications/tools/list_changed " || len(own.heard()) != 0 {
		t.Errorf("the watch heard %q, the call %q", notes, own.heard())
	}
	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan mcpwire.Outcome, 1)
	req := request(t, mcpwire.Rev20251125, "hang", `{}`, `{}`)
	go func() { hung <- p.Serve(ctx, req, &own) }()
	stateOf(t, p)
	p.Serve(t.Context(), request(t, mcpwire.Rev20251125, "log", `{}`, `{}`), &own)
	if n := len(s.heard()); n != 1 || len(own.heard()) != 0 {
		t.Errorf("of logs that nobody can attribute the watch heard %d, the calls %q", n-1, own.heard())
	}
	if lines := d.Stderr(); len(lines) != 3 || lines[2] != `{"level":"error","data":"x"}` {
		t.Errorf("admins see %q of them", lines)
	}
	cancel()
	<-hung
	if err := stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	call(t, p, "changed", `{}`)
	if n := len(s.heard()); n != 1 {
		t.Error("heard after its end")
	}
	_, stop = watch(t, p, mcpwire.Filter{}, s)
	call(t, p, "die", `{}`)
	<-p.Lost()
	if err := stop(); err == nil {
		t.Error("a watch on a dead process ended well")
	}
}

func TestWatch_modern(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2026-07-28", ""))
	f := mcpwire.Filter{ToolsChanged: true, ResourcesChanged: true, Resources: []string{"file:///a", `file:///"`}}
	var first, second sink
	got, stop := watch(t, p, f, &first)
	if diff := cmp.Diff(f, got); diff != "" {
		t.Errorf("honoured (-want +got):\n%s", diff)
	}
	_, stop2 := watch(t, p, mcpwire.Filter{PromptsChanged: true}, &second)
	call(t, p, "updated", `{}`)
	want := []string{`notifications/resources/updated {"uri":"file:///a","_meta":{"keep":1}}`}
	if diff := cmp.Diff([][]string{want, want}, [][]string{first.heard(), second.heard()}); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
	if err := stop(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if s := stateOf(t, p); s.Listens != 1 || len(s.Cancelled) != 1 {
		t.Errorf("the server has %d subscriptions, %q were cancelled", s.Listens, s.Cancelled)
	}
	if err := stop2(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestTell(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", ""))
	teller, ok := p.(backend.Teller)
	if !ok {
		t.Fatal("a stdio peer cannot be told of a client's roots")
	}
	teller.Tell(t.Context(), nil, mcpwire.Notification{Method: mcpwire.MethodRootsChanged})
	if out := call(t, p, "echo", `{}`); out.Kind != mcpwire.Complete {
		t.Errorf("got %+v", out)
	}
}

func TestOutsideOfCalls(t *testing.T) {
	t.Parallel()
	for _, interactive := range []bool{true, false} {
		d := dialer(t, "2025-11-25", "", func(c *stdio.Config) { c.Interactive = interactive })
		p := dial(t, d)
		s := &sink{answer: yes}
		_, stop := watch(t, p, mcpwire.Filter{}, s)
		call(t, p, "later", `{}`) // the server logs and asks when the call has ended
		eventually(t, "the log message", func() bool { return len(s.heard())+len(d.Stderr()) > 0 })
		out := call(t, p, "later-answer", `{}`)
		want, notes := `{"answer":{"action":"cancel"}}`, 0
		if interactive {
			want, notes = `{"answer":{"yes":true}}`, 1
		}
		if string(out.Result.Bytes) != want || len(s.asked) != notes || len(s.heard()) != notes {
			t.Errorf("interactive %v: the server got %s; asked %q, told %q", interactive, out.Result.Bytes, s.asked, s.heard())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
