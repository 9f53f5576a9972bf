package rawhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/backend/remote/rawhttp"
)

func client(t testing.TB, address string) *rawhttp.Client {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c := rawhttp.NewClient(rawhttp.Options{URL: u})
	t.Cleanup(c.Close)
	return c
}

// script is a server that treats every connection as serve says.
func script(t testing.TB, serve func(nc *net.TCPConn, br *bufio.Reader)) (address string, connections *atomic.Int64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	connections = new(atomic.Int64)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer nc.Close()
				serve(nc.(*net.TCPConn), bufio.NewReader(nc))
			}()
		}
	}()
	return "http://" + ln.Addr().String() + "/mcp", connections
}

// request reads one request and tells whether there was one.
func request(br *bufio.Reader) bool {
	r, err := http.ReadRequest(br)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

func post(ctx context.Context, c rawhttp.Doer, body string) (*rawhttp.Response, string, error) {
	resp, err := c.Do(ctx, &rawhttp.Request{Method: "POST", Body: []byte(body), Wait: 10 * time.Second})
	if err != nil {
		return nil, "", err
	}
	defer resp.Close()
	b, err := io.ReadAll(resp)
	return resp, string(b), err
}

func kindOf(err error) rawhttp.Kind {
	if e, ok := errors.AsType[*rawhttp.Error](err); ok {
		return e.Kind
	}
	return 0
}

func TestDo(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 40_000)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "Application/JSON; charset=utf-8")
		w.Header().Set("Mcp-Session-Id", r.Header.Get("X-Case")+r.URL.RawQuery)
		switch r.Header.Get("X-Case") {
		case "flushed":
			for i := range in {
				_, _ = w.Write(in[i : i+1])
				w.(http.Flusher).Flush()
			}
		case "big":
			_, _ = io.WriteString(w, big)
		case "status":
			w.WriteHeader(http.StatusTeapot)
		default:
			_, _ = w.Write(in)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	at := func(address string) *url.URL {
		u, err := url.Parse(address + "/mcp?x=1")
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	trust := secure.Client().Transport.(*http.Transport).TLSClientConfig
	for name, c := range map[string]rawhttp.Doer{
		"raw":    rawhttp.New(rawhttp.Options{URL: at(plain.URL)}),
		"std":    rawhttp.NewStd(rawhttp.Options{URL: at(plain.URL)}),
		"secure": rawhttp.New(rawhttp.Options{URL: at(secure.URL), TLS: &tls.Config{RootCAs: trust.RootCAs}}),
		"proxy":  rawhttp.New(rawhttp.Options{URL: &url.URL{Scheme: "http", Host: "elsewhere.example", Path: "/mcp", RawQuery: "x=1"}, Proxy: at(plain.URL)}),
	} {
		t.Cleanup(c.Close)
		for _, tt := range []struct {
			name, body, want string
			status           int
		}{
			{"plain", "hello", "hello", 200},
			{"empty", "", "", 200},
			{"flushed", "hello", "hello", 200},
			{"large request", big, big, 200},
			{"big", "", big, 200},
			{"status", "", "", 418},
		} {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				header, ok := rawhttp.AppendField(nil, "X-Case", tt.name)
				if !ok {
					t.Fatal("field refused")
				}
				resp, err := c.Do(t.Context(), &rawhttp.Request{Method: "POST", Header: header, Body: []byte(tt.body), Wait: 10 * time.Second, Total: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Close()
				got, err := io.ReadAll(resp)
				if err != nil || string(got) != tt.want {
					t.Fatalf("%d bytes, %v; want %d bytes", len(got), err, len(tt.want))
				}
				if resp.Status != tt.status || resp.Type != "application/json" || resp.Session != tt.name+"x=1" {
					t.Errorf("head %+v", resp)
				}
			})
		}
	}
}

// TestHeads is what a backend may and may not send.
func TestHeads(t *testing.T) {
	t.Parallel()
	ok := "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name, answer string
		want         string // body; "!" for a malformed answer, "~" for a broken one
		reused       bool
	}{
		{"length", ok + "Content-Length: 2\r\n\r\nhi", "hi", true},
		{"chunks", ok + "Transfer-Encoding: Chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nTrailer: 1\r\n\r\n", "hi", true},
		{"until the end", ok + "\r\nhi", "hi", false},
		{"connection close", ok + "Connection: Close\r\nContent-Length: 2\r\n\r\nhi", "hi", false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi", false},
		{"HTTP/1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", "hi", true},
		{"keep-alive of no time", ok + "Keep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nhi", "hi", false},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", "", true},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nhi", "hi", true},
		{"same length twice", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "hi", true},
		{"line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "hi", true},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", "hi", true},
		{"long unknown field", ok + "X: " + strings.Repeat("x", 20_000) + "\r\nContent-Length: 2\r\n\r\nhi", "hi", true},
		{"more than it said", ok + "Content-Length: 2\r\n\r\nhi and more", "hi", false},

		{"two lengths", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "!", false},
		{"negative length", ok + "Content-Length: -2\r\n\r\nhi", "!", false},
		{"listed length", ok + "Content-Length: 2, 2\r\n\r\nhi", "!", false},
		{"length and chunks", ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!", false},
		{"chunked twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "!", false},
		{"unknown coding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "!", false},
		{"compressed", ok + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", "!", false},
		{"folded", ok + "Content-Type: a\r\n b\r\nContent-Length: 2\r\n\r\nhi", "!", false},
		{"space before the colon", ok + "Content-Length : 2\r\n\r\nhi", "!", false},
		{"carriage return inside", ok + "Mcp-Session-Id: a\rb\r\nContent-Length: 2\r\n\r\nhi", "!", false},
		{"long known field", ok + "Mcp-Session-Id: " + strings.Repeat("x", 20_000) + "\r\nContent-Length: 2\r\n\r\nhi", "!", false},
		{"huge head", ok + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 70) + "\r\n", "!", false},
		{"endless line", ok + "X: " + strings.Repeat("x", 80_000), "!", false},
		{"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "!", false},
		{"other protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "!", false},
		{"endless interim", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20), "!", false},
		{"chunk size", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "!", false},
		{"chunk overflow", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n", "!", false},
		{"chunk too long", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n", "!", false},

		{"nothing", "", "~", false},
		{"half a head", ok + "Content-", "~", false},
		{"half a body", ok + "Content-Length: 3\r\n\r\nhi", "~", false},
		{"half a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhi", "~", false},
		{"no last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "~", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			address, connections := script(t, func(nc *net.TCPConn, br *bufio.Reader) {
				for request(br) {
					calls.Add(1)
					if _, err := io.WriteString(nc, tt.answer); err != nil || !tt.reused {
						return
					}
				}
			})
			c := client(t, address)
			_, got, err := post(t.Context(), c, "{}")
			switch {
			case tt.want == "!" && kindOf(err) != rawhttp.Malformed,
				tt.want == "~" && kindOf(err) != rawhttp.Broken:
				t.Errorf("got %q, %v", got, err)
			case tt.want != "!" && tt.want != "~" && (err != nil || got != tt.want):
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			if n := calls.Load(); n != 1 {
				t.Fatalf("the request was sent %d times", n)
			}
			if c.Idle() != 0 != tt.reused {
				t.Fatalf("%d connections kept", c.Idle())
			}
			if tt.reused {
				if _, got, err = post(t.Context(), c, "{}"); err != nil || got != tt.want {
					t.Errorf("second call: %q, %v", got, err)
				}
				if n := connections.Load(); n != 1 {
					t.Errorf("%d connections for two calls", n)
				}
			}
		})
	}
}

// TestAtMostOnce cuts the connection after each byte of the answer, by reset and
// by an orderly end, on a fresh and on a used connection. The backend must never
// see the request twice.
func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	answer := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	for _, reset := range []bool{false, true} {
		for _, used := range []bool{false, true} {
			t.Run(fmt.Sprintf("reset=%v/used=%v", reset, used), func(t *testing.T) {
				t.Parallel()
				for cut := range len(answer) {
					cutAt(t, answer, cut, reset, used)
				}
			})
		}
	}
}

func cutAt(t *testing.T, answer string, cut int, reset, used bool) {
	t.Helper()
	var calls atomic.Int64
	address, _ := script(t, func(nc *net.TCPConn, br *bufio.Reader) {
		if used {
			if !request(br) {
				return
			}
			_, _ = io.WriteString(nc, answer)
		}
		if !request(br) {
			return
		}
		calls.Add(1)
		_, _ = io.WriteString(nc, answer[:cut])
		if reset {
			_ = nc.SetLinger(0)
		}
	})
	c := client(t, address)
	if used {
		if _, got, err := post(t.Context(), c, "first"); err != nil || got != "abc" {
			t.Fatalf("first call: %q, %v", got, err)
		}
	}
	_, got, err := post(t.Context(), c, "second")
	if err == nil {
		t.Errorf("cut at %d: no error, body %q", cut, got)
	}
	if e, ok := errors.AsType[*rawhttp.Error](err); ok && !e.Sent {
		t.Errorf("cut at %d: the error says that nothing was sent: %v", cut, err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("cut at %d: the backend saw %d calls", cut, n)
	}
}

// TestKeepAliveRace closes connections behind the client's back: what rested is
// looked at, and the call goes out on a new connection.
func TestKeepAliveRace(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*net.TCPConn){
		"end":     func(nc *net.TCPConn) { _ = nc.CloseWrite() },
		"unasked": func(nc *net.TCPConn) { _, _ = io.WriteString(nc, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan struct{}, 1)
			var calls atomic.Int64
			address, connections := script(t, func(nc *net.TCPConn, br *bufio.Reader) {
				for request(br) {
					calls.Add(1)
					_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
					before(nc)
					done <- struct{}{}
				}
			})
			c := client(t, address)
			for i := range int64(20) {
				if _, got, err := post(t.Context(), c, "{}"); err != nil || got != "hi" {
					t.Fatalf("call %d: %q, %v", i, got, err)
				}
				<-done
				if calls.Load() != i+1 {
					t.Fatalf("%d calls after %d", calls.Load(), i+1)
				}
			}
			if connections.Load() != 20 {
				t.Errorf("%d connections for 20 calls", connections.Load())
			}
		})
	}
}

// TestRest drops a connection before the backend would.
func TestRest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		field string
		rest  time.Duration
	}{
		{"", 4 * time.Second},
		{"Keep-Alive: timeout=5, max=100\r\n", 4 * time.Second},
		{"Keep-Alive: timeout=1\r\n", 500 * time.Millisecond},
		{"Keep-Alive: timeout=100000\r\n", 59 * time.Second},
	} {
		address, connections := script(t, func(nc *net.TCPConn, br *bufio.Reader) {
			for request(br) {
				_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+tt.field+"Content-Length: 2\r\n\r\nhi")
			}
		})
		c := client(t, address)
		now := time.Now()
		c.SetNow(func() time.Time { return now })
		for i, step := range []time.Duration{0, tt.rest - time.Millisecond, tt.rest} {
			now = now.Add(step)
			if _, _, err := post(t.Context(), c, "{}"); err != nil {
				t.Fatal(err)
			}
			if want := []int64{1, 1, 2}[i]; connections.Load() != want {
				t.Errorf("%q after %v: %d connections, want %d", tt.field, step, connections.Load(), want)
			}
		}
	}
}

// TestReap closes resting connections although nobody calls any more.
func TestReap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "http://backend/mcp")
		ended := make(chan struct{})
		c.SetDial(func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer close(ended)
				br := bufio.NewReader(theirs)
				for request(br) {
					_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
				}
			}()
			return ours, nil
		})
		if _, _, err := post(t.Context(), c, "{}"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-ended
		if d := time.Since(start); d != 4*time.Second || c.Idle() != 0 {
			t.Errorf("closed after %v, %d resting", d, c.Idle())
		}
	})
}

// TestDeadline has calls follow each other on one connection, whose socket keeps the
// deadline of an earlier one: each still has its whole time, and no more.
func TestDeadline(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 100 << 10} { // written at once, and by writev
		synctest.Test(t, func(t *testing.T) {
			c := client(t, "http://backend/mcp")
			reads, answers := make(chan time.Duration, 1), make(chan time.Duration, 1)
			connections := 0
			c.SetDial(func(context.Context, string, string) (net.Conn, error) {
				connections++
				ours, theirs := net.Pipe()
				go func() {
					br := bufio.NewReader(theirs)
					for {
						wait, more := <-reads
						time.Sleep(wait) // virtual, like all time here
						if !more || !request(br) {
							return
						}
						time.Sleep(<-answers)
						_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
					}
				}()
				return ours, nil
			})
			call := func(reading, answering time.Duration) (time.Duration, error) {
				begun := time.Now()
				reads <- reading
				answers <- answering
				resp, err := c.Do(t.Context(), &rawhttp.Request{Method: "POST", Body: make([]byte, size), Wait: time.Minute})
				if err == nil {
					_, err = io.ReadAll(resp)
				}
				return time.Since(begun), err
			}
			const late = 59 * time.Second
			for i, took := range [][2]time.Duration{{0, 0}, {0, 20 * time.Second}, {0, late}, {0, 0}, {20 * time.Second, 0}, {late, 0}, {0, 0}, {20 * time.Second, 39 * time.Second}, {0, late}} {
				if d, err := call(took[0], took[1]); err != nil || d != took[0]+took[1] {
					t.Fatalf("call %d of %d bytes: %v after %s", i, size, err, d)
				}
			}
			if connections != 1 {
				t.Errorf("%d connections", connections)
			}
			for i, took := range [][2]time.Duration{{0, 20 * time.Second}, {0, 2 * time.Minute}} {
				d, err := call(took[0], took[1])
				if e, timedOut := errors.AsType[*rawhttp.Error](err); i == 1 && (!timedOut || e.Kind != rawhttp.TimedOut || d != time.Minute) {
					t.Errorf("a call of %d bytes without an answer: %v after %s", size, err, d)
				}
			}
			close(reads)
			c.Close()
			time.Sleep(time.Hour) // virtual: the backend's goroutine ends
		})
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	silent, _ := script(t, func(_ *net.TCPConn, br *bufio.Reader) {
		_ = request(br)
		_, _ = br.ReadByte() // until the client goes
	})
	stalls, _ := script(t, func(nc *net.TCPConn, br *bufio.Reader) {
		_ = request(br)
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")
		_, _ = br.ReadByte()
	})
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, tt := range []struct {
		name, address string
		request       rawhttp.Request
		cancel        bool
		kind          rawhttp.Kind
		sent          bool
	}{
		{"no listener", closed.URL, rawhttp.Request{}, false, rawhttp.Unreachable, false},
		{"no head", silent, rawhttp.Request{Wait: 20 * time.Millisecond}, false, rawhttp.TimedOut, true},
		{"no head, cancelled", silent, rawhttp.Request{}, true, rawhttp.Cancelled, true},
		{"stalled body", stalls, rawhttp.Request{Wait: time.Minute, Total: 50 * time.Millisecond}, false, rawhttp.TimedOut, true},
		{"stalled body, cancelled", stalls, rawhttp.Request{}, true, rawhttp.Cancelled, true},
	} {
		for _, std := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/std=%v", tt.name, std), func(t *testing.T) {
				t.Parallel()
				u, _ := url.Parse(tt.address)
				var c rawhttp.Doer = client(t, tt.address)
				if std {
					c = rawhttp.NewStd(rawhttp.Options{URL: u})
					t.Cleanup(c.Close)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancel {
					time.AfterFunc(20*time.Millisecond, cancel)
				}
				r := tt.request
				r.Method, r.Body = "POST", []byte("{}")
				resp, err := c.Do(ctx, &r)
				if err == nil {
					_, err = io.ReadAll(resp)
					_ = resp.Close()
				}
				if e, ok := errors.AsType[*rawhttp.Error](err); !ok || e.Kind != tt.kind || e.Sent != tt.sent {
					t.Errorf("got %v (%+v)", err, e)
				}
			})
		}
	}
}

// TestRefusedEarly reads the answer of a backend that refuses a large body and
// closes before it has read it.
func TestRefusedEarly(t *testing.T) {
	t.Parallel()
	address, _ := script(t, func(nc *net.TCPConn, br *bufio.Reader) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
		_ = nc.CloseWrite()
		_, _ = io.Copy(io.Discard, r.Body)
	})
	resp, _, err := post(t.Context(), client(t, address), string(bytes.Repeat([]byte("x"), 8<<20)))
	if err != nil || resp.Status != 413 {
		t.Fatalf("%+v, %v", resp, err)
	}
}

// TestEndOfStream keeps the connection when the last chunk comes just after the
// event that the caller waited for.
func TestEndOfStream(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	address, connections := script(t, func(nc *net.TCPConn, br *bufio.Reader) {
		for request(br) {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
			<-read
			_, _ = io.WriteString(nc, "0\r\n\r\n")
		}
	})
	c := client(t, address)
	for range 3 {
		resp, err := c.Do(t.Context(), &rawhttp.Request{Method: "POST", Body: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		var two [2]byte
		if _, err := io.ReadFull(resp, two[:]); err != nil {
			t.Fatal(err)
		}
		read <- struct{}{}
		_ = resp.Close()
	}
	if connections.Load() != 1 {
		t.Errorf("%d connections for 3 streams", connections.Load())
	}
}

// TestEndOfStream_deadline lets the connection rest longer than the end of its last
// stream was waited for.
func TestEndOfStream_deadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "http://backend/mcp")
		dialled := 0
		c.SetDial(func(context.Context, string, string) (net.Conn, error) {
			dialled++
			ours, theirs := net.Pipe()
			go func() {
				br := bufio.NewReader(theirs)
				for request(br) {
					_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
					_, _ = io.WriteString(theirs, "0\r\n\r\n")
				}
			}()
			return ours, nil
		})
		for range 3 {
			resp, err := c.Do(t.Context(), &rawhttp.Request{Method: "POST", Body: []byte("{}")})
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Close()
			time.Sleep(time.Second) // virtual
		}
		if dialled != 1 {
			t.Errorf("%d connections for 3 streams", dialled)
		}
		c.Close() // ends the backend within the bubble
	})
}

func TestFields(t *testing.T) {
	t.Parallel()
	for _, bad := range [][2]string{{"", "x"}, {"A B", "x"}, {"A", "x\r\nB: y"}, {"A", "x\ny"}, {"A", "\x00"}, {"A:", "x"}, {"A\r", "x"}} {
		if got, ok := rawhttp.AppendField(nil, bad[0], bad[1]); ok || len(got) > 0 {
			t.Errorf("%q written as %q", bad, got)
		}
	}
	if got, ok := rawhttp.AppendField([]byte("A: 1\r\n"), "B", "zwei\tü"); !ok || string(got) != "A: 1\r\nB: zwei\tü\r\n" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkDo(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	b.Cleanup(srv.Close)
	c := client(b, srv.URL)
	body := bytes.Repeat([]byte("x"), 300)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var buf [1024]byte
	b.ReportAllocs()
	for b.Loop() {
		resp, err := c.Do(ctx, &rawhttp.Request{Method: "POST", Body: body, Wait: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = resp.Read(buf[:])
		}
		_ = resp.Close()
	}
}
