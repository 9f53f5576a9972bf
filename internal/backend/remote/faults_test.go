package remote_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// deed is a way to answer a call wrong, and what the supervisor is told.
type deed struct {
	name   string
	answer func(w http.ResponseWriter, id string)
	want   string
}

// data is how the supervisor knows an answer that is of no use, which does not
// count against the backend, from none at all.
func (d deed) data() string {
	for _, none := range []string{"HTTP 5", "lost", "in time"} {
		if strings.Contains(d.want, none) {
			return ""
		}
	}
	return string(backend.Garbled("").Err.Data)
}

// misbehave is every way to answer a call wrong. What a caller sees of it is one
// error of ours.
var misbehave = []deed{
	{"401", status(401), "it refused our credential (HTTP 401): set its token or headers"},
	{"403 in JSON", func(w http.ResponseWriter, id string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(403)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32001,"message":"secret token abc is wrong"}}`, id)
	}, "it refused our credential (HTTP 403): set its token or headers"},
	{"redirect", func(w http.ResponseWriter, _ string) {
		w.Header().Set("Location", "http://169.254.169.254/")
		w.WriteHeader(307)
	}, "it redirects to another address (HTTP 307): set that one as its URL"},
	{"202", status(202), "it took the request but sent no answer"},
	{"429", status(429), "it is overloaded (HTTP 429)"},
	{"500", status(500), "it failed (HTTP 500)"},
	{"413", status(413), "it takes no request of this size (HTTP 413)"},
	{"HTML", body("text/html", "<!doctype html><p>hello"), "it answered with something other than JSON or an event stream"},
	{"garbage", body("application/json", "garbage"), "its answer breaks the rules of MCP"},
	{"empty", body("application/json", ""), "its answer breaks the rules of MCP"},
	{"not UTF-8", withID("application/json", "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"a\":\"\xff\"}}"), "its answer breaks the rules of MCP"},
	{"id nobody asked", body("application/json", `{"jsonrpc":"2.0","id":123456,"result":{}}`), "its answer breaks the rules of MCP"},
	{"id as text", withID("application/json", `{"jsonrpc":"2.0","id":"%s","result":{}}`), "its answer breaks the rules of MCP"},
	{"result and error", withID("application/json", `{"jsonrpc":"2.0","id":%s,"result":{},"error":{"code":1,"message":"x"}}`), "its answer breaks the rules of MCP"},
	{"code is text", withID("application/json", `{"jsonrpc":"2.0","id":%s,"error":{"code":"1","message":"x"}}`), "its answer breaks the rules of MCP"},
	{"version", withID("application/json", `{"jsonrpc":"1.0","id":%s,"result":{}}`), "its answer breaks the rules of MCP"},
	{"deep", withID("application/json", `{"jsonrpc":"2.0","id":%s,"result":{"a":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`}}`), "its answer breaks the rules of MCP"},
	{"too large", withID("application/json", `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","a":"`+strings.Repeat("x", 2<<20)+`"}}`), "broken"},
	{"compressed", func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "\x1f\x8b")
	}, "its answer is not acceptable HTTP"},
	{"event garbage", body("text/event-stream", "data: garbage\n\n"), "its answer breaks the rules of MCP"},
	{"event of another id", body("text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"id\":123456,\"result\":{}}\n\n"), "its answer breaks the rules of MCP"},
	{"event too large", body("text/event-stream", "data: \""+strings.Repeat("x", 2<<20)), "its answer is larger than 1 MiB"},
	{"stream without an answer", body("text/event-stream", ": hello\n\n"), "the connection was lost before the answer came"},
	{"cut off", func(w http.ResponseWriter, id string) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{`, id)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, "the connection was lost before the answer came"},
	{"no head", func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) }, "the connection was lost before the answer came"},
}

func status(code int) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) { w.WriteHeader(code) }
}

func body(mediaType, text string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = io.WriteString(w, text)
	}
}

func withID(mediaType, format string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, id string) {
		w.Header().Set("Content-Type", mediaType)
		fmt.Fprintf(w, format, id)
	}
}

// eachEra runs a test with a legacy and a modern backend whose answers to calls
// are written by hand.
func eachEra(t *testing.T, on func(w http.ResponseWriter, r *http.Request, m message), test func(t *testing.T, d *remote.Dialer, p backend.Peer), with ...func(*remote.Config)) {
	t.Helper()
	t.Run("legacy", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
			if m.ID == nil {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			on(w, r, m)
		})
		d := dialer(t, f.URL, with...)
		test(t, d, dial(t, d, mcpwire.Capabilities{}))
	})
	t.Run("modern", func(t *testing.T) {
		t.Parallel()
		srv := newModern(t, on)
		d := dialer(t, srv.URL, with...)
		test(t, d, dial(t, d, mcpwire.Capabilities{}))
	})
}

// newModern is a modern backend written by hand.
func newModern(t testing.TB, on func(w http.ResponseWriter, r *http.Request, m message)) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if m.Method == "server/discover" {
			reply(w, m.ID, discovered)
			return
		}
		on(w, r, m)
	}))
	t.Cleanup(srv.Close)
	return srv
}

const discovered = `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"1"}},"instructions":"hi"}`

func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	for _, tt := range misbehave {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachEra(t, func(w http.ResponseWriter, _ *http.Request, m message) {
				if strings.Contains(string(m.Params), "well") {
					reply(w, m.ID, `{"well":true}`)
					return
				}
				tt.answer(w, string(m.ID))
			}, func(t *testing.T, _ *remote.Dialer, p backend.Peer) {
				got, o := serve(t.Context(), p, echo(t, "x"), newSink())
				if tt.want == "broken" {
					if !strings.HasPrefix(got, "broken: ") && !strings.Contains(got, "larger than 1 MiB") {
						t.Errorf("got %.200q", got)
					}
				} else if tt.name == "stream without an answer" && !p.Info().Revision.Modern() {
					if string(o.Err.Data) != `{"backend":"b","reason":"it ended the stream without an answer"}` {
						t.Errorf("got %s, data %s", got, o.Err.Data)
					}
				} else if want := "error -32603 " + tt.want; got != want || o.Err.Raw != nil || string(o.Err.Data) != tt.data() {
					t.Errorf("got  %s\nwant %s, data %s", got, want, o.Err.Data)
				}
				// The next call is none the wiser.
				if got, _ := serve(t.Context(), p, echo(t, "well"), newSink()); got != `{"well":true}` {
					t.Errorf("the next call: %s", got)
				}
			}, func(c *remote.Config) { c.MaxMessage = 1 << 20 })
		})
	}
}

func TestBackendErrors(t *testing.T) {
	t.Parallel()
	raw := `{"code":-32602,"message":"no such tool","data":{"n":9007199254740993},"x":1}`
	for _, tt := range []struct {
		name   string
		status int
		raw    string
		want   string // "" for as it came
		lost   bool
	}{
		{"ok", 200, raw, "", false},
		{"400", 400, raw, "", false},
		{"404", 404, `{"code":-32601,"message":"no such method"}`, "", false},
		{"unsupported version", 400, `{"code":-32022,"message":"no","data":{"supported":["2025-11-25"]}}`, "it no longer speaks the revision it spoke before, and is being asked anew", true},
		{"header mismatch", 400, `{"code":-32020,"message":"no"}`, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			eachEra(t, func(w http.ResponseWriter, _ *http.Request, m message) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":%s}`, m.ID, tt.raw)
			}, func(t *testing.T, _ *remote.Dialer, p backend.Peer) {
				_, o := serve(t.Context(), p, echo(t, "x"), newSink())
				switch {
				case tt.name == "header mismatch":
					if o.Err.Code != -32603 || o.Err.Raw != nil {
						t.Errorf("forwarded: %+v", o.Err)
					}
				case tt.want == "" && string(o.Err.Raw) != tt.raw:
					t.Errorf("got %s", o.Err.Raw)
				case tt.want != "" && (o.Err.Message != tt.want || o.Err.Raw != nil):
					t.Errorf("got %+v", o.Err)
				}
				if tt.lost {
					receive(t, p.Lost())
				}
			})
		})
	}
}

// TestHang ends with the caller's deadline, and with the limit of our own.
func TestHang(t *testing.T) {
	t.Parallel()
	eachEra(t, func(_ http.ResponseWriter, r *http.Request, _ message) {
		<-r.Context().Done()
	}, func(t *testing.T, _ *remote.Dialer, p backend.Peer) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		for _, ctx := range []context.Context{ctx, t.Context()} {
			if got, _ := serve(ctx, p, echo(t, "x"), newSink()); got != "error -32603 it did not answer in time" {
				t.Error(got)
			}
		}
	}, func(c *remote.Config) { c.FirstByte = 100 * time.Millisecond })
}

// TestModernCancel ends the stream, which is how the backend learns of it.
func TestModernCancel(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), make(chan struct{})
	srv := newModern(t, func(w http.ResponseWriter, r *http.Request, m message) {
		if m.Method != "tools/call" {
			t.Errorf("the backend was sent %s", m.Method)
		}
		event(w, "", `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`)
		close(started)
		<-r.Context().Done()
		close(ended)
	})
	p := dial(t, dialer(t, srv.URL), mcpwire.Capabilities{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan string, 1)
	go func() {
		got, _ := serve(ctx, p, echo(t, "x"), newSink())
		done <- got
	}()
	receive(t, started)
	cancel()
	receive(t, ended)
	if got := receive(t, done); got != "error -32603 the call was cancelled" {
		t.Error(got)
	}
}

// cutting is a backend behind a relay that cuts each connection's answer after
// some bytes, once it is armed.
func cutting(t testing.TB, backendAddress string, reset bool) (address string, arm func(after int)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	var limit atomic.Int64
	limit.Store(1 << 40)
	relay := func(nc *net.TCPConn) {
		defer nc.Close()
		out, err := net.Dial("tcp", strings.TrimPrefix(backendAddress, "http://"))
		if err != nil {
			return
		}
		defer out.Close()
		go func() { _, _ = io.Copy(out, nc) }() // ends with the connections
		br := bufio.NewReader(out)
		for {
			b, err := br.ReadByte()
			if err != nil {
				return
			}
			if limit.Add(-1) < 0 {
				if reset {
					_ = nc.SetLinger(0)
				}
				return
			}
			if _, err := nc.Write([]byte{b}); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go relay(nc.(*net.TCPConn))
		}
	}()
	return "http://" + ln.Addr().String(), func(after int) { limit.Store(int64(after)) }
}

// TestAtMostOnce cuts the connection after each byte of the answer to a call. The
// call must never reach the backend twice.
func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	for _, reset := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("reset=%v/stream=%v", reset, stream), func(t *testing.T) {
				t.Parallel()
				var calls atomic.Int64
				on := func(w http.ResponseWriter, _ *http.Request, m message) {
					if m.Method != "tools/call" {
						w.WriteHeader(http.StatusAccepted)
						return
					}
					calls.Add(1)
					if stream {
						event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"ok":true}}`, m.ID))
						return
					}
					reply(w, m.ID, `{"ok":true}`)
				}
				f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) { on(w, r, m) })
				m := newModern(t, on)
				for _, backendAddress := range []string{f.URL, m.URL} {
					address, arm := cutting(t, backendAddress, reset)
					arm(1 << 30)
					p := dial(t, dialer(t, address), mcpwire.Capabilities{})
					done := false
					for cut := 0; !done; cut++ {
						arm(cut)
						before := calls.Load()
						got, o := serve(t.Context(), p, echo(t, "x"), newSink())
						switch {
						case got == `{"ok":true}`:
							done = true
						case o.Kind == mcpwire.Complete && !strings.HasPrefix(got, "broken"), o.Kind == mcpwire.Failed && o.Err.Code != -32603:
							t.Fatalf("cut at %d: %s", cut, got)
						}
						if n := calls.Load() - before; n > 1 || n == 0 && done {
							t.Fatalf("cut at %d: the backend saw %d calls", cut, n)
						}
						if cut > 1000 {
							t.Fatal("the answer never came")
						}
					}
				}
			})
		}
	}
}

// TestDialFailures are the codes by which the supervisor decides how to go on.
func TestDialFailures(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		code    fault.Code
		public  string
	}{
		{"not there", nil, fault.Unavailable, "No connection to it could be made. Check that it runs and that its URL is right."},
		{"401", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, fault.Forbidden, "It refused our credential (HTTP 401). Set its token or headers."},
		{"404", http.NotFound, fault.Upstream, "It has no MCP endpoint at this path (HTTP 404): correct its URL. Check that its URL is that of an MCP server."},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, fault.Unavailable, "It failed (HTTP 500). Drawbridge keeps trying; look at the backend's own log."},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>welcome") }, fault.Upstream, "It answered with something other than JSON or an event stream. Check that its URL is that of an MCP server."},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://other.example/mcp", http.StatusTemporaryRedirect)
		}, fault.Upstream, "It redirects to another address (HTTP 307): set that one as its URL. Check that its URL is that of an MCP server."},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then is the end of the connection seen
			<-r.Context().Done()
		}, fault.Timeout, "It did not answer in time. Drawbridge keeps trying; look at the backend's own log."},
		{"garbage", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "garbage")
		}, fault.Upstream, "Its answer breaks the rules of MCP. Drawbridge keeps trying; look at the backend's own log."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := closed.URL
			if tt.handler != nil {
				srv := httptest.NewServer(tt.handler)
				t.Cleanup(srv.Close)
				address = srv.URL
			}
			_, err := dialer(t, address, func(c *remote.Config) { c.Handshake = 50 * time.Millisecond }).Dial(t.Context(), hello)
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != tt.code || f.Public != tt.public {
				t.Errorf("got %v: %q", fault.CodeOf(err), fault.PublicOf(err))
			}
		})
	}
}
