package streamable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/mcpwire"
)

// progress is a notification for a token.
func progress(token string, n int) mcpwire.Notification {
	return mcpwire.Notification{Revision: mcpwire.LatestLegacy, Method: mcpwire.MethodProgress, Params: fmt.Appendf(nil, `{"progressToken":%s,"progress":%d}`, token, n)}
}

func logged(level string) mcpwire.Notification {
	return mcpwire.Notification{Method: mcpwire.MethodMessage, Params: []byte(`{"level":"` + level + `","data":"x"}`)}
}

// waitFor answers after d, or fails with the cause of the context's end.
func waitFor(d time.Duration) func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
	return func(ctx context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		select {
		case <-time.After(d):
			return mcpwire.Done(req.Revision, []byte(`{"content":[],"resultType":"complete"}`))
		case <-ctx.Done():
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "%v", context.Cause(ctx)))
		}
	}
}

func TestAnswer_idsAndResultsByteForByte(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	const result = `{"content" : [{"type":"video","z":1,"a":2}],"n":9007199254740993,"f":1.0,"e":"\u00e9\/<","_meta":{"b":1,"a":2},"unknown":[1, 2]}`
	d.hub.On("raw", func(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		return mcpwire.Done(req.Revision, []byte(result))
	})
	d.hub.On("bad", func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
		return mcpwire.Fail(&mcpwire.Error{Code: -5, Raw: []byte(`{"message":"m","code":-5,"data":{"n":9007199254740993},"x":1}`)})
	})
	for _, rid := range []string{"0", "-7", "9007199254740993", "123456789012345678901234567890", `"a"`, `"\u0061\/\ud83d\ude00"`, `""`, `"1"`} {
		w := d.do("POST", `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"raw"},"id":`+rid+`}`, "Mcp-Session-Id", id)
		if got, want := w.Body.String(), `{"jsonrpc":"2.0","id":`+rid+`,"result":`+result+`}`; got != want {
			t.Errorf("answer\n%s, want\n%s", got, want)
		}
		if ct := w.Header().Get("Content-Type"); ct != "application/json" {
			t.Errorf("Content-Type %q", ct)
		}
		w = d.do("POST", `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"bad"},"id":`+rid+`}`, "Mcp-Session-Id", id)
		if got, want := w.Body.String(), `{"jsonrpc":"2.0","id":`+rid+`,"error":{"message":"m","code":-5,"data":{"n":9007199254740993},"x":1}}`; got != want {
			t.Errorf("answer\n%s, want\n%s", got, want)
		}
	}
}

func TestAnswer_decidedByWhatComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-06-18")
		d.hub.On("soon", waitFor(9*time.Second))
		d.hub.On("late", waitFor(41*time.Second))
		d.hub.On("chatty", func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			sink.Notify(progress("7", 1))
			sink.Notify(progress("7", 2))
			return mcpwire.Done(req.Revision, []byte("{\n \"content\":[]}"))
		})

		l := d.open(alice, "POST", call(`"name":"soon"`), "Mcp-Session-Id", id)
		if got := l.rest(); got != `{"jsonrpc":"2.0","id":1,"result":{"content":[],"resultType":"complete"}}` {
			t.Errorf("under 10 s: %s", got)
		}

		l = d.open(alice, "POST", call(`"name":"late"`), "Mcp-Session-Id", id)
		start := time.Now()
		buf := make([]byte, 16)
		n, _ := l.Read(buf)
		if got := string(buf[:n]); !strings.HasPrefix(got, ":") || time.Since(start) != 10*time.Second {
			t.Errorf("first bytes %q after %v", got, time.Since(start))
		}
		if h := l.Header(); h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" || h.Get("Cache-Control") != "no-cache, no-transform" {
			t.Errorf("header %v", h)
		}
		got := l.rest()
		if n := strings.Count(got, ":"+" "+"\n"); n != 2 { // at 25 s and 40 s
			t.Errorf("%d comments in %q", n, got)
		}
		if !strings.Contains(got, `data: {"jsonrpc":"2.0","id":1,"result":{"content":[],"resultType":"complete"}}`) {
			t.Errorf("late: %q", got)
		}

		l = d.open(alice, "POST", call(`"name":"chatty","_meta":{"progressToken":7}`), "Mcp-Session-Id", id)
		for _, want := range []string{
			`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}`,
			`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":2}}`,
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\n \"content\":[]}}",
		} {
			if got, _ := l.event(t); got != want {
				t.Errorf("event %s, want %s", got, want)
			}
		}
		<-l.done
	})
}

func TestAnswer_notificationsTheClientDidNotAskFor(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	var after mcpwire.Sink
	d.hub.On("noisy", func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
		after = sink
		sink.Notify(progress("7", 1))
		sink.Notify(logged("info"))
		return mcpwire.Done(req.Revision, []byte(`{"resultType":"complete"}`))
	})
	headers := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "noisy"}
	w := d.do("POST", call(`"name":"noisy",`+modernMeta), headers...)
	check(t, w, 200, []string{`{"jsonrpc":"2.0","id":1,"result":`}, "notifications")
	after.Notify(progress("7", 2)) // after the result: dropped

	level := strings.Replace(modernMeta, `"_meta":{`, `"_meta":{"io.modelcontextprotocol/logLevel":"info",`, 1)
	l := d.open(alice, "POST", call(`"name":"noisy",`+level), headers...)
	if got, id := l.event(t); !strings.Contains(got, "notifications/message") || id != "" {
		t.Errorf("event %s with id %q", got, id)
	}
	<-l.done
	level = strings.Replace(level, `"info"`, `"warning"`, 1)
	check(t, d.do("POST", call(`"name":"noisy",`+level), headers...), 200, nil, "notifications")
	level = strings.Replace(level, `"warning"`, `"loud"`, 1)
	check(t, d.do("POST", call(`"name":"noisy",`+level), headers...), 400, []string{"-32602"}, "")

	id := d.initialize("2025-06-18")
	l = d.open(alice, "POST", call(`"name":"noisy"`), "Mcp-Session-Id", id)
	if got, _ := l.event(t); !strings.Contains(got, "notifications/message") {
		t.Errorf("a legacy client that named no level got %s", got)
	}
	<-l.done
	check(t, d.do("POST", `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}}`, "Mcp-Session-Id", id), 200, []string{`"result":{}`}, "")
	check(t, d.do("POST", call(`"name":"noisy"`), "Mcp-Session-Id", id), 200, nil, "notifications")
	check(t, d.do("POST", `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"loud"}}`, "Mcp-Session-Id", id), 200, []string{"-32602"}, "")
}

// rest is a streamed result.
type rest struct {
	io.Reader
	closed *bool
}

func (r rest) Close() error {
	*r.closed = true
	return nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) {
	return 0, fmt.Errorf("%w: not JSON", mcpwire.ErrBadFrame)
}

// large scripts a tool with a result of n bytes, of which most is streamed; after
// it, tail decides how it ends.
func large(d *door, n int, tail io.Reader, before func(mcpwire.Sink)) (result []byte, closed *bool) {
	result = slicesConcat(`{"content":[{"text":"`, strings.Repeat("x", n), "\",\n\"type\":\"text\"}]}")
	closed = new(bool)
	d.hub.On("large", func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
		before(sink)
		held := min(len(result), mcpwire.HeldBytes)
		var r io.Reader = bytes.NewReader(result[held:])
		if tail != nil {
			r = io.MultiReader(bytes.NewReader(result[held:len(result)-1]), tail)
		}
		return mcpwire.Outcome{Kind: mcpwire.Complete, Revision: req.Revision, Result: mcpwire.Result{Bytes: bytes.Clone(result[:held]), Rest: rest{r, closed}}}
	})
	return result, closed
}

func slicesConcat(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

func nothing(mcpwire.Sink) {}

func TestAnswer_largeResultStreams(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	result, closed := large(d, 3<<20, nil, nothing)
	w := d.do("POST", call(`"name":"large"`), "Mcp-Session-Id", id)
	if want := `{"jsonrpc":"2.0","id":1,"result":` + string(result) + `}`; w.Body.String() != want || !*closed {
		t.Errorf("%d bytes, want %d; closed %v", w.Body.Len(), len(want), *closed)
	}

	result, closed = large(d, 3<<20, nil, func(s mcpwire.Sink) { s.Notify(logged("error")) })
	l := d.open(alice, "POST", call(`"name":"large"`), "Mcp-Session-Id", id)
	l.event(t)
	got, eventID := l.event(t)
	if want := `{"jsonrpc":"2.0","id":1,"result":` + string(result) + `}`; got != want || eventID == "" {
		t.Errorf("event of %d bytes with id %q, want %d", len(got), eventID, len(want))
	}
	if <-l.done; !*closed {
		t.Error("the result was not closed")
	}
}

// A large result that is in memory already must not drown in the log.
func TestAnswer_largeResultInMemory(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	result := slicesConcat(`{"text":"`, strings.Repeat("x", 5<<20), `"}`)
	for _, chatty := range []bool{false, true} {
		d.hub.On("large", func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			if chatty {
				sink.Notify(logged("error"))
			}
			return mcpwire.Done(req.Revision, result)
		})
		w := d.do("POST", call(`"name":"large"`), "Mcp-Session-Id", id)
		if want := `{"jsonrpc":"2.0","id":1,"result":` + string(result) + `}`; !strings.Contains(w.Body.String(), want) {
			t.Errorf("chatty %v: %d bytes, want %d", chatty, w.Body.Len(), len(want))
		}
	}
}

// A backend that breaks the rules after the first bytes went out: the client
// must not take what it has for whole.
func TestAnswer_brokenInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, before := range []func(mcpwire.Sink){nothing, func(s mcpwire.Sink) { s.Notify(logged("error")) }} {
		d := newDoor(t)
		id := d.initialize("2025-11-25")
		_, closed := large(d, 1<<20, failing{}, before)
		l := d.open(alice, "POST", call(`"name":"large"`), "Mcp-Session-Id", id)
		<-l.done
		if !l.aborted || !*closed {
			t.Errorf("aborted %v, closed %v", l.aborted, *closed)
		}
		if w := d.do("POST", call(`"name":"echo"`), "Mcp-Session-Id", id); w.Code != 200 {
			t.Errorf("the session after it: status %d", w.Code)
		}
	}
}

func TestAnswer_inputRequired(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const asks = `{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}},"requestState":"sealed"}`
	d.hub.On("asks", func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
		return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: mcpwire.LatestModern, Result: mcpwire.Result{Bytes: []byte(asks)}}
	})
	w := d.do("POST", call(`"name":"asks",`+modernMeta), "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "asks")
	check(t, w, 200, []string{asks}, "")
	id := d.initialize("2025-11-25")
	check(t, d.do("POST", call(`"name":"asks"`), "Mcp-Session-Id", id), 200, []string{"-32603"}, "sealed")
}

func TestAnswer_panicIsOneFailedCall(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	d.hub.On("panics", func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
		panic(errors.New("secret detail"))
	})
	check(t, d.do("POST", call(`"name":"panics"`), "Mcp-Session-Id", id), 200, []string{"-32603"}, "secret")
	check(t, d.do("POST", call(`"name":"echo"`), "Mcp-Session-Id", id), 200, []string{"result"}, "")
}
