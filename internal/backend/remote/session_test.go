package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/mcpwire"
)

// known refuses what is not in the latest session, as a restarted server does.
func known(f *fake, w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Mcp-Session-Id") == fmt.Sprintf("s%d", f.sessions.Load()) {
		return true
	}
	http.Error(w, "session not found", http.StatusNotFound)
	return false
}

func TestSessionHeaders(t *testing.T) {
	t.Parallel()
	for version, header := range map[string]string{"2025-03-26": "", "2025-06-18": "2025-06-18", "2025-11-25": "2025-11-25", "2026-07-28": "2025-11-25"} {
		var seen http.Header
		f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
			seen = r.Header.Clone()
			reply(w, m.ID, `{}`)
		})
		f.version = version
		p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
		if got, _ := serve(t.Context(), p, echo(t, "x"), newSink()); got != "{}" {
			t.Fatal(got)
		}
		if seen.Get("MCP-Protocol-Version") != header || seen.Get("Mcp-Session-Id") != "s1" || seen.Get("Accept-Encoding") != "identity" ||
			seen.Get("Accept") != "application/json, text/event-stream" || seen.Get("Content-Type") != "application/json" || seen.Get("Mcp-Method") != "" {
			t.Errorf("%s: headers %v", version, seen)
		}
	}
}

// TestForgottenSession loses the session at the backend: every caller goes on, the
// new session is made once, and no call runs twice.
func TestForgottenSession(t *testing.T) {
	t.Parallel()
	var settings sync.Map
	f := newFake(t, func(f *fake, w http.ResponseWriter, r *http.Request, m message) {
		if !known(f, w, r) {
			f.calls.Add(-1) // not looked at
			return
		}
		if m.Method != "tools/call" {
			settings.Store(fmt.Sprint(f.sessions.Load(), m.Method, " ", string(m.Params)), true)
		}
		reply(w, m.ID, `{"session":"`+r.Header.Get("Mcp-Session-Id")+`"}`)
	})
	p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
	r := request(t, "resources/subscribe", `{"uri":"test://a"}`)
	r.Caller.LogLevel = "debug"
	if got, _ := serve(t.Context(), p, r, newSink()); got != `{"session":"s1"}` {
		t.Fatal(got)
	}
	f.sessions.Add(1) // a restart: s1 is unknown, the next will be s3
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if got, _ := serve(t.Context(), p, echo(t, fmt.Sprint(i)), newSink()); got != `{"session":"s3"}` {
				t.Error(got)
			}
		})
	}
	group.Wait()
	if f.sessions.Load() != 3 || f.calls.Load() != 20 {
		t.Errorf("%d sessions, %d calls", f.sessions.Load(), f.calls.Load())
	}
	for _, want := range []string{`1logging/setLevel {"level":"debug"}`, `3logging/setLevel {"level":"debug"}`, `3resources/subscribe {"uri":"test://a"}`} {
		if _, ok := settings.Load(want); !ok {
			t.Errorf("the backend was not sent %s", want)
		}
	}
	select {
	case <-p.Lost():
		t.Error("the session counts as lost")
	default:
	}
}

// TestUnknownSessionBy400 makes a new session for reads alone.
func TestUnknownSessionBy400(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(f *fake, w http.ResponseWriter, r *http.Request, m message) {
		if r.Header.Get("Mcp-Session-Id") != "s2" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}`)
			return
		}
		reply(w, m.ID, `{}`)
	})
	p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
	if got, _ := serve(t.Context(), p, echo(t, "x"), newSink()); !strings.HasPrefix(got, "error -32000") || f.calls.Load() != 1 {
		t.Errorf("call: %s, seen %d times", got, f.calls.Load())
	}
	if got, _ := serve(t.Context(), p, request(t, "tools/list", ""), newSink()); got != "{}" {
		t.Errorf("list: %s", got)
	}
}

// TestSessionGoneForGood closes Lost when no new session is to be had.
func TestSessionGoneForGood(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(f *fake, w http.ResponseWriter, _ *http.Request, _ message) {
		f.version = "1999-01-01"
		w.WriteHeader(http.StatusNotFound)
	})
	p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
	if got, _ := serve(t.Context(), p, echo(t, "x"), newSink()); !strings.HasPrefix(got, "error -32603") {
		t.Error(got)
	}
	receive(t, p.Lost())
	if f.calls.Load() != 1 {
		t.Errorf("sent %d times", f.calls.Load())
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	deleted := make(chan string, 1)
	f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, _ message) {
		if r.Method == http.MethodDelete {
			deleted <- r.Header.Get("Mcp-Session-Id")
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
	p, err := dialer(t, f.URL).Dial(t.Context(), hello)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := receive(t, deleted); got != "s1" {
		t.Errorf("deleted %q", got)
	}
	receive(t, p.Lost())
}

// TestCancel tells a legacy backend, by the id of the gateway's own.
func TestCancel(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			started, ended, told := make(chan string, 1), make(chan struct{}), make(chan string, 1)
			f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
				switch m.Method {
				case "tools/call":
					event(w, "", `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`)
					started <- string(m.ID)
					<-r.Context().Done()
					close(ended)
				case "notifications/cancelled":
					told <- string(m.Params)
					w.WriteHeader(http.StatusAccepted)
				}
			})
			p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
			ctx, cancel := late(t.Context())
			defer cancel()
			done := make(chan string, 1)
			go func() {
				got, _ := serve(ctx, p, echo(t, "x"), newSink())
				done <- got
			}()
			id := receive(t, started)
			if name == "cancelled" {
				cancel()
			}
			if got := receive(t, told); !strings.Contains(got, `"requestId":`+id) {
				t.Errorf("cancelled with %s, want id %s", got, id)
			}
			receive(t, ended)
			if got := receive(t, done); !strings.HasPrefix(got, "error -32603") {
				t.Error(got)
			}
		})
	}
}

// TestResume takes a call's stream up where it broke, as often as it has to, and
// does not send the call again.
func TestResume(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){
		"put off": func() {},
		"broken":  func() { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var gets atomic.Int64
			var id atomic.Value
			f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
				if m.Method == "tools/call" {
					id.Store(string(m.ID))
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, "retry: 10\n\n")
					event(w, "e0", "")
					end()
					return
				}
				if r.Method == http.MethodDelete {
					return
				}
				n := gets.Add(1)
				if want := fmt.Sprintf("e%d", n-1); r.Method != http.MethodGet || r.Header.Get("Last-Event-ID") != want || r.Header.Get("Mcp-Session-Id") != "s1" {
					t.Errorf("%s with %v, want id %s", r.Method, r.Header, want)
				}
				if n < 8 {
					event(w, fmt.Sprintf("e%d", n), fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d}}`, id.Load(), n))
					end()
					return
				}
				event(w, "e8", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"late":true}}`, id.Load()))
			})
			p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
			s := newSink()
			got, _ := serve(t.Context(), p, echo(t, "x"), s)
			if got != `{"late":true}` || len(s.all()) != 7 || f.calls.Load() != 1 {
				t.Errorf("%s, %d notes, %d calls", got, len(s.all()), f.calls.Load())
			}
		})
	}
}

// TestNotResumable says that the outcome is unknown, and asks nobody again.
func TestNotResumable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		id  string
		get int // status of the resumption
	}{
		"no id": {"", 200}, "refused": {"e1", 405}, "session gone": {"e1", 404}, "not a stream": {"e1", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
				if m.Method == "tools/call" {
					event(w, tt.id, `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`)
					return
				}
				if tt.id == "" && r.Method == http.MethodGet {
					t.Error("resumed without an id")
				}
				w.WriteHeader(tt.get)
			})
			p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
			got, o := serve(t.Context(), p, echo(t, "x"), newSink())
			want := "error -32603 the connection was lost before the answer came"
			if tt.id == "" { // the backend ended the stream in order, and for good
				want = "error -32603 Backend \"b\" gave no answer: it ended the stream without an answer. It is unknown whether the call took effect: look before you repeat it."
			}
			if got != want || o.Err.Raw != nil || f.calls.Load() != 1 {
				t.Errorf("%s, %d calls", got, f.calls.Load())
			}
		})
	}
}

// TestStandaloneStream is the GET stream: what it brings, and its ends.
func TestStandaloneStream(t *testing.T) {
	t.Parallel()
	var opens atomic.Int64
	answers := make(chan string, 10)
	f := newFake(t, func(f *fake, w http.ResponseWriter, r *http.Request, m message) {
		if r.Method != http.MethodGet {
			if m.Method == "" && m.ID != nil {
				answers <- fmt.Sprintf("%s %s%s", m.ID, m.Result, m.Error)
			}
			w.WriteHeader(http.StatusAccepted)
			return
		}
		switch n := opens.Add(1); n {
		case 1:
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "retry: 100\n\n")
			event(w, "g1", `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		case 2:
			if r.Header.Get("Last-Event-ID") != "g1" {
				t.Errorf("resumed with %q", r.Header.Get("Last-Event-ID"))
			}
			f.sessions.Add(1)
			http.Error(w, "gone", http.StatusNotFound)
		case 3:
			if r.Header.Get("Last-Event-ID") != "" || r.Header.Get("Mcp-Session-Id") != "s3" {
				t.Errorf("new session's stream with %v", r.Header)
			}
			event(w, "", "garbage")
			event(w, "", `{"jsonrpc":"2.0","id":99,"result":{}}`)
			event(w, "", `{"jsonrpc":"2.0","id":"p","method":"ping"}`)
			event(w, "", `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}`)
			event(w, "", `{"jsonrpc":"2.0","id":2,"method":"sampling/createMessage","params":{}}`)
			event(w, "", `{"jsonrpc":"2.0","id":3,"method":"roots/list"}`)
			event(w, "", `{"jsonrpc":"2.0","id":4,"method":"unheard/of"}`)
			event(w, "", `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}`)
			<-r.Context().Done()
		}
	})
	p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
	ctx, cancel := context.WithCancel(t.Context())
	s, ready, done := newSink(), make(chan mcpwire.Filter, 2), make(chan error, 1)
	go func() {
		done <- p.Watch(ctx, mcpwire.Filter{ToolsChanged: true, PromptsChanged: true, Resources: []string{"a"}}, s, func(f mcpwire.Filter) { ready <- f })
	}()
	if diff := cmp.Diff(mcpwire.Filter{ToolsChanged: true, Resources: []string{"a"}}, receive(t, ready)); diff != "" {
		t.Errorf("honoured (-want +got):\n%s", diff)
	}
	if got := receive(t, s.note); !strings.HasPrefix(got, "notifications/tools/list_changed") {
		t.Error(got)
	}
	got := map[string]bool{}
	for range 5 {
		got[receive(t, answers)] = true
	}
	want := map[string]bool{
		`"p" {}`: true, `1 {"action":"cancel"}`: true, `3 {"roots":[]}`: true,
		`2 {"code":-1,"message":"User rejected sampling request"}`: true,
		`4 {"code":-32601,"message":"The method is not known."}`:   true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for _, want := range []string{"notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed"} {
		if got := receive(t, s.note); !strings.HasPrefix(got, want) { // in the new session nobody knows what has changed
			t.Error(got)
		}
	}
	if got := receive(t, s.note); !strings.HasPrefix(got, "notifications/message") {
		t.Error(got)
	}
	if err := p.Watch(t.Context(), mcpwire.Filter{}, newSink(), func(mcpwire.Filter) {}); err == nil {
		t.Error("two Watches at a time")
	}
	cancel()
	if err := receive(t, done); err != nil || len(ready) != 0 {
		t.Errorf("ended with %v, ready %d more times", err, len(ready))
	}
}

// TestForgottenSession_onItsStream: servers forget their sessions when they start
// anew, and say so with more than one status. One that never has such a stream
// says the same.
func TestForgottenSession_onItsStream(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed} {
		for _, has := range []bool{true, false} {
			t.Run(fmt.Sprint(status, has), func(t *testing.T) {
				t.Parallel()
				var opens atomic.Int64
				f := newFake(t, func(f *fake, w http.ResponseWriter, r *http.Request, m message) {
					switch n := opens.Add(1); {
					case r.Method != http.MethodGet:
						opens.Add(-1)
						w.WriteHeader(http.StatusAccepted)
					case has && n == 1:
						w.Header().Set("Content-Type", "text/event-stream")
						_, _ = io.WriteString(w, "retry: 100\n\n")
						event(w, "", `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
					case has && n == 3:
						event(w, "", `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}`)
						<-r.Context().Done()
					default:
						http.Error(w, "what?", status)
					}
				})
				p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{})
				before := f.sessions.Load()
				ctx, cancel := context.WithCancel(t.Context())
				s, ready, done := newSink(), make(chan mcpwire.Filter, 2), make(chan error, 1)
				go func() {
					done <- p.Watch(ctx, mcpwire.Filter{ToolsChanged: true}, s, func(f mcpwire.Filter) { ready <- f })
				}()
				if got := receive(t, ready); got.ToolsChanged != has {
					t.Errorf("honours %+v", got)
				}
				if has {
					for range 4 { // one change it told, and all that may have gone unheard
						receive(t, s.note)
					}
					if got := receive(t, s.note); !strings.HasPrefix(got, "notifications/message") {
						t.Error(got)
					}
				}
				cancel()
				if err := receive(t, done); err != nil {
					t.Error(err)
				}
				if made := f.sessions.Load() - before; made != map[bool]int64{true: 1, false: 0}[has] {
					t.Errorf("%d new sessions", made)
				}
			})
		}
	}
}

// TestNoStandaloneStream goes on without one.
func TestNoStandaloneStream(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		event(w, "", `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{}}`, m.ID))
	})
	p, err := dialer(t, f.URL).Dial(t.Context(), hello)
	if err != nil {
		t.Fatal(err)
	}
	s, ready, done := newSink(), make(chan mcpwire.Filter, 1), make(chan error, 1)
	go func() {
		done <- p.Watch(t.Context(), mcpwire.Filter{ToolsChanged: true}, s, func(f mcpwire.Filter) { ready <- f })
	}()
	if got := receive(t, ready); got.ToolsChanged {
		t.Error("a backend without a stream honours nothing")
	}
	call := newSink()
	if got, _ := serve(t.Context(), p, echo(t, "x"), call); got != "{}" || len(call.all()) != 0 {
		t.Errorf("%s, the call heard %q", got, call.all())
	}
	receive(t, s.note)
	_ = p.Close(t.Context())
	if err := receive(t, done); err == nil {
		t.Error("Watch outlived the session")
	}
}

// TestRouting brings what comes on the GET stream to the call it belongs to.
func TestRouting(t *testing.T) {
	t.Parallel()
	stream := make(chan string)
	release, answers := make(chan struct{}), make(chan string, 4)
	running := make(chan string, 4)
	f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
		switch {
		case r.Method == http.MethodGet:
			event(w, "", "")
			for {
				select {
				case data := <-stream:
					event(w, "", data)
				case <-r.Context().Done():
					return
				}
			}
		case m.Method == "tools/call":
			running <- string(m.ID)
			<-release
			reply(w, m.ID, `{}`)
		case m.Method == "" && r.Method == http.MethodPost:
			answers <- fmt.Sprintf("%s %s", m.ID, m.Result)
			w.WriteHeader(http.StatusAccepted)
		}
	})
	p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{Roots: true})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, ready := newSink(), make(chan mcpwire.Filter, 1)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { _ = p.Watch(ctx, mcpwire.Filter{}, watch, func(f mcpwire.Filter) { ready <- f }) })
	defer cancel()
	receive(t, ready)
	roots := func(name string) func(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
		return func(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
			return mcpwire.Answer{Result: []byte(`{"roots":["` + name + `"]}`)}, nil
		}
	}
	one, two := newSink(), newSink()
	one.answer, two.answer, watch.answer = roots("one"), roots("two"), roots("watch")
	group.Go(func() { serve(ctx, p, echo(t, "one"), one) })
	first := receive(t, running)

	stream <- `{"jsonrpc":"2.0","id":1,"method":"roots/list"}`
	if got := receive(t, answers); got != `1 {"roots":["one"]}` {
		t.Errorf("with one call running: %s", got)
	}
	group.Go(func() { serve(ctx, p, echo(t, "two"), two) })
	second := receive(t, running)
	stream <- `{"jsonrpc":"2.0","id":2,"method":"roots/list"}`
	if got := receive(t, answers); got != `2 {"roots":[]}` { // nobody can tell whose it is
		t.Errorf("with two calls running: %s", got)
	}
	for id, s := range map[string]*sink{first: one, second: two} {
		stream <- fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1}}`, id)
		name := map[*sink]string{one: "t-one", two: "t-two"}[s]
		if got := receive(t, s.note); got != `notifications/progress {"progressToken":"`+name+`","progress":1}` {
			t.Error(got)
		}
	}
	stream <- `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":999,"progress":1}}`
	stream <- `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a"}}`
	if got := receive(t, watch.note); !strings.HasPrefix(got, "notifications/resources/updated") {
		t.Error(got)
	}
	close(release)
}

// TestTakenBack ends a question that the backend cancels, or whose call is
// answered, and does not answer it.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]string{
		"cancelled": `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}}`,
		"answered":  "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan struct{})
			taken := make(chan struct{})
			f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
				if m.Method != "tools/call" {
					if r.Method == http.MethodPost {
						t.Errorf("the backend was sent %s %s%s", m.Method, m.Result, m.Error)
					}
					return
				}
				event(w, "", `{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}`)
				<-asked
				if after != "" {
					event(w, "", after)
					<-taken
				}
				event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{}}`, m.ID))
			})
			p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{Sampling: true})
			s := newSink()
			s.answer = func(ctx context.Context, _ mcpwire.Question) (mcpwire.Answer, error) {
				close(asked)
				<-ctx.Done()
				close(taken)
				return mcpwire.Answer{}, ctx.Err()
			}
			if got, _ := serve(t.Context(), p, echo(t, "x"), s); got != "{}" {
				t.Error(got)
			}
			receive(t, taken)
		})
	}
}

// TestDeclined lets the backend go on when the question fails.
func TestDeclined(t *testing.T) {
	t.Parallel()
	answers := make(chan string, 1)
	f := newFake(t, func(_ *fake, w http.ResponseWriter, _ *http.Request, m message) {
		if m.Method == "tools/call" {
			event(w, "", `{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{}}`)
			event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"answer":%s}}`, m.ID, <-answers))
			return
		}
		answers <- string(m.Result)
		w.WriteHeader(http.StatusAccepted)
	})
	p := dial(t, dialer(t, f.URL), mcpwire.Capabilities{Elicitation: true})
	s := newSink()
	s.answer = func(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
		return mcpwire.Answer{}, errors.New("the client is gone")
	}
	if got, _ := serve(t.Context(), p, echo(t, "x"), s); got != `{"answer":{"action":"cancel"}}` {
		t.Error(got)
	}
}
