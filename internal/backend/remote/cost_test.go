package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

// frugal is a backend that allocates nothing per call, so that what a test counts
// is the client's alone. Calls get result; as a stream if it is to be one.
func frugal(t testing.TB, modern, stream bool, result string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go frugally(nc, modern, stream, result)
		}
	}()
	return "http://" + ln.Addr().String() + "/mcp"
}

func frugally(nc net.Conn, modern, stream bool, result string) {
	defer nc.Close()
	in, out, digits := make([]byte, 64<<10), make([]byte, 0, 2<<20), make([]byte, 0, 8)
	n := 0
	for {
		head := bytes.Index(in[:n], []byte("\r\n\r\n"))
		end := 0
		if head >= 0 {
			end = head + 4
			if i := bytes.Index(in[:head], []byte("Content-Length: ")); i >= 0 {
				size := 0
				for _, c := range in[i+16 : head] {
					if c < '0' || c > '9' {
						break
					}
					size = size*10 + int(c-'0')
				}
				end += size
			}
		}
		if head < 0 || n < end {
			m, err := nc.Read(in[n:])
			if err != nil {
				return
			}
			n += m
			continue
		}
		body := in[head+4 : end]
		answer := result
		switch {
		case bytes.Contains(body, []byte(`"server/discover"`)) && modern:
			answer = discovered
		case bytes.Contains(body, []byte(`"initialize"`)):
			answer = `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{}}`
		}
		i := bytes.Index(body, []byte(`"id":`))
		switch {
		case i < 0:
			out = append(out[:0], "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"...)
		case !modern && bytes.Contains(body, []byte(`"server/discover"`)):
			out = append(out[:0], "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"...)
		default:
			id := body[i+5 : i+5+bytes.IndexByte(body[i+5:], ',')]
			size := len(`{"jsonrpc":"2.0","id":,"result":}`) + len(id) + len(answer)
			if stream {
				size += len("data: \n\n")
				out = append(out[:0], "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nMcp-Session-Id: s\r\n\r\n"...)
				out = strconv.AppendInt(out, int64(size), 16)
				out = append(out, "\r\ndata: "...)
			} else {
				out = append(out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: s\r\nContent-Length: "...)
				digits = strconv.AppendInt(digits[:0], int64(size), 10)
				out = append(append(out, digits...), "\r\n\r\n"...)
			}
			out = append(append(out, `{"jsonrpc":"2.0","id":`...), id...)
			out = append(append(append(out, `,"result":`...), answer...), '}')
			if stream {
				out = append(out, "\n\n\r\n0\r\n\r\n"...)
			}
		}
		if _, err := nc.Write(out); err != nil {
			return
		}
		n = copy(in, in[end:n])
	}
}

// silent is a sink that costs nothing.
type silent struct{}

func (silent) Notify(mcpwire.Notification) {}

func (silent) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}

// TestCost holds a small call to its budget of allocations. It is not parallel:
// others would be counted.
func TestCost(t *testing.T) {
	for _, modern := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			p := dial(t, dialer(t, frugal(t, modern, stream, `{"content":[{"type":"text","text":"hello"}]}`)), mcpwire.Capabilities{})
			if p.Info().Revision.Modern() != modern {
				t.Fatalf("it is a %s", p.Info().Revision)
			}
			r := echo(t, "hello")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			n := testing.AllocsPerRun(200, func() {
				o := p.Serve(ctx, r, silent{})
				if o.Kind != mcpwire.Complete {
					t.Fatal(o.Err)
				}
				o.Close()
			})
			t.Logf("modern=%v stream=%v: %.0f allocations", modern, stream, n)
			if n > 40 {
				t.Errorf("modern=%v stream=%v: %.0f allocations per call", modern, stream, n)
			}
		}
	}
}

// TestCanaries runs calls of many callers through one line at once. No answer and
// no progress may cross, whatever the ids and tokens of the callers.
func TestCanaries(t *testing.T) {
	t.Parallel()
	on := func(w http.ResponseWriter, r *http.Request, m message) {
		if m.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if len(m.Params)%2 == 0 {
			reply(w, m.ID, string(m.Params))
			return
		}
		event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1,"message":%s}}`, m.ID, m.Params))
		event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, m.Params))
	}
	eachEraPeers(t, on, func(t *testing.T, peers []backend.Peer) {
		var group sync.WaitGroup
		for caller := range 20 {
			group.Go(func() {
				for i := range 20 {
					canary := fmt.Sprintf("canary-%d-%d%s", caller, i, strings.Repeat("!", i%2))
					s := newSink()
					r := request(t, "tools/call", fmt.Sprintf(`{"name":"x","arguments":{"c":%q},"_meta":{"progressToken":1}}`, canary))
					got, _ := serve(t.Context(), peers[caller%len(peers)], r, s)
					if strings.Count(got, "canary-") != 1 || !strings.Contains(got, canary+`"`) {
						t.Errorf("%s got %s", canary, got)
					}
					for _, n := range s.all() {
						if !strings.Contains(n, canary+`"`) || !strings.HasPrefix(n, `notifications/progress {"progressToken":1,`) {
							t.Errorf("%s heard %s", canary, n)
						}
					}
				}
			})
		}
		group.Wait()
	})
}

func eachEraPeers(t *testing.T, on func(w http.ResponseWriter, r *http.Request, m message), test func(t *testing.T, peers []backend.Peer)) {
	t.Helper()
	t.Run("legacy", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) { on(w, r, m) })
		d := dialer(t, f.URL)
		test(t, []backend.Peer{dial(t, d, mcpwire.Capabilities{}), dial(t, d, mcpwire.Capabilities{})})
	})
	t.Run("modern", func(t *testing.T) {
		t.Parallel()
		d := dialer(t, newModern(t, on).URL)
		test(t, []backend.Peer{dial(t, d, mcpwire.Capabilities{}), dial(t, d, mcpwire.Capabilities{})})
	})
	t.Run("HTTP+SSE", func(t *testing.T) {
		t.Parallel()
		f := newOld(t, "/message", func(m message) []string {
			if m.ID == nil {
				return nil
			}
			return []string{
				fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1,"message":%s}}`, m.ID, m.Params),
				answered(m, string(m.Params)),
			}
		})
		go func() {
			for range f.posts { // the fake waits for its reader; ends with the test's process
			}
		}()
		test(t, []backend.Peer{dial(t, dialer(t, f.URL+"/sse", isSSE), mcpwire.Capabilities{})})
	})
}

// TestLarge streams a large result byte for byte, as JSON, and as an event.
func TestLarge(t *testing.T) {
	t.Parallel()
	result := `{"resultType":"complete","a":9007199254740993,"b":"` + strings.Repeat("0123456789 ä \\u00e4", 600_000) + `","z":[1.0,{}]}`
	for _, modern := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			p := dial(t, dialer(t, frugal(t, modern, stream, result)), mcpwire.Capabilities{})
			for range 2 {
				o := p.Serve(t.Context(), echo(t, "x"), silent{})
				if o.Kind != mcpwire.Complete || (o.Result.Rest == nil) != stream {
					t.Fatalf("modern=%v stream=%v: %+v", modern, stream, o.Err)
				}
				var got bytes.Buffer
				got.Write(o.Result.Bytes)
				if o.Result.Rest != nil {
					if _, err := io.Copy(&got, o.Result.Rest); err != nil {
						t.Fatal(err)
					}
				}
				o.Close()
				if got.String() != result {
					t.Errorf("modern=%v stream=%v: %d bytes instead of %d", modern, stream, got.Len(), len(result))
				}
			}
		}
	}
}

// BenchmarkHop compares a call through a peer with one through the reverse proxy
// of the standard library, both behind the same server: CPU decides, as elapsed
// time on one processor.
func BenchmarkHop(b *testing.B) {
	for _, size := range []int{100, 1 << 20} {
		result := `{"content":[{"type":"text","text":"` + strings.Repeat("x", size) + `"}]}`
		address := frugal(b, false, false, result)
		u, err := url.Parse(address)
		if err != nil {
			b.Fatal(err)
		}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: u.Host}) }, FlushInterval: -1}
		p := dial(b, dialer(b, address), mcpwire.Capabilities{})
		r := echo(b, "x")
		peer := http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
			_, _ = io.Copy(io.Discard, hr.Body)
			o := p.Serve(hr.Context(), r, silent{})
			defer o.Close()
			_, _ = w.Write(o.Result.Bytes)
			if o.Result.Rest != nil {
				_, _ = io.Copy(w, o.Result.Rest)
			}
		})
		for name, h := range map[string]http.Handler{"peer": peer, "proxy": proxy} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				srv := httptest.NewServer(h)
				b.Cleanup(srv.Close)
				b.SetBytes(int64(len(result)))
				b.ReportAllocs()
				for b.Loop() {
					resp, err := http.Post(srv.URL+"/mcp", "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`))
					if err != nil {
						b.Fatal(err)
					}
					if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < int64(size) {
						b.Fatal(n, err)
					}
					_ = resp.Body.Close()
				}
			})
		}
	}
}
