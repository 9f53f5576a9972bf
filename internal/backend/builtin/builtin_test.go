package builtin_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/builtin"
	"drawbridge/internal/mcpwire"
)

type handler func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome

func (h handler) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	return h(ctx, req, sink)
}

type deaf struct{ notes []string }

func (d *deaf) Notify(n mcpwire.Notification) { d.notes = append(d.notes, n.Method) }
func (d *deaf) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}

func dial(t *testing.T, h handler, watch builtin.WatchFunc) backend.Peer {
	t.Helper()
	d := builtin.New(slog.New(slog.DiscardHandler), "memory", backend.Info{Capabilities: []byte(`{"tools":{}}`)}, h, watch)
	if !d.Shared() {
		t.Fatal("a built-in server serves everybody through one peer")
	}
	p, err := d.Dial(t.Context(), backend.Hello{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func call(t *testing.T) *mcpwire.Request {
	t.Helper()
	req, err := mcpwire.NewRequest(mcpwire.MethodToolsCall, mcpwire.Rev20251125, []byte(`{"name":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestServe(t *testing.T) {
	t.Parallel()
	p := dial(t, func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
		sink.Notify(mcpwire.Notification{Method: mcpwire.MethodProgress})
		return mcpwire.Done(mcpwire.LatestModern, []byte(`{"saw":"`+req.Target+`"}`))
	}, nil)
	var sink deaf
	out := p.Serve(t.Context(), call(t), &sink)
	if out.Kind != mcpwire.Complete || string(out.Result.Bytes) != `{"saw":"x"}` || len(sink.notes) != 1 {
		t.Errorf("got %+v with notes %v", out, sink.notes)
	}
	if info := p.Info(); info.Transport != backend.BuiltIn || info.Revision != mcpwire.LatestModern {
		t.Errorf("info = %+v", info)
	}
}

func TestServe_panicEndsOneCall(t *testing.T) {
	t.Parallel()
	panics := true
	p := dial(t, func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
		if panics {
			panic("password=hunter2")
		}
		return mcpwire.Done(mcpwire.LatestModern, []byte(`{}`))
	}, nil)
	out := p.Serve(t.Context(), call(t), &deaf{})
	if out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeInternal {
		t.Fatalf("got %+v, want an internal error", out)
	}
	if strings.Contains(out.Err.Message, "hunter2") {
		t.Errorf("the public text has the cause: %q", out.Err.Message)
	}
	panics = false
	if out := p.Serve(t.Context(), call(t), &deaf{}); out.Kind != mcpwire.Complete {
		t.Errorf("the next call got %+v", out)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	silent := dial(t, nothing, nil)
	ctx, cancel := context.WithCancel(t.Context())
	honoured := make(chan mcpwire.Filter, 1)
	done := make(chan error, 1)
	go func() {
		done <- silent.Watch(ctx, mcpwire.Filter{ToolsChanged: true}, &deaf{}, func(f mcpwire.Filter) { honoured <- f })
	}()
	if f := <-honoured; f.ToolsChanged {
		t.Error("a server that says nothing honours nothing")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("watch ended with %v", err)
	}

	telling := dial(t, nothing, func(_ context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
		ready(f)
		sink.Notify(mcpwire.Notification{Method: mcpwire.MethodToolsChanged})
		return nil
	})
	var sink deaf
	if err := telling.Watch(t.Context(), mcpwire.Filter{ToolsChanged: true}, &sink, func(mcpwire.Filter) {}); err != nil || len(sink.notes) != 1 {
		t.Errorf("err %v, notes %v", err, sink.notes)
	}
}

func nothing(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
	return mcpwire.Outcome{}
}
