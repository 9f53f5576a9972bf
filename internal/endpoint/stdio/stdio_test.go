package stdio_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session/sessiontest"
	"drawbridge/internal/endpoint/stdio"
	"drawbridge/internal/mcpwire"
)

// pipe is a client at the other end.
type pipe struct {
	t    *testing.T
	hub  *sessiontest.Hub
	in   *io.PipeWriter
	out  *bufio.Reader
	done chan error
	stop context.CancelFunc
}

func start(t *testing.T) *pipe {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	p := &pipe{t: t, hub: sessiontest.NewHub(), in: inW, out: bufio.NewReaderSize(outR, 1<<20), done: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	p.stop = stop
	go func() {
		err := stdio.Serve(ctx, slog.New(slog.DiscardHandler), inR, outW, p.hub, account.Local())
		outW.Close()
		p.done <- err
	}()
	return p
}

func (p *pipe) send(lines ...string) {
	p.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(p.in, l+"\n"); err != nil {
			p.t.Error(err)
			return
		}
	}
}

func (p *pipe) line() string {
	p.t.Helper()
	l, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("read line: %q, %v", l, err)
	}
	return strings.TrimSuffix(l, "\n")
}

func (p *pipe) expect(want string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.t.Errorf("line\n%s, want\n%s", got, want)
	}
}

func (p *pipe) end() {
	p.t.Helper()
	p.in.Close()
	if rest, _ := io.ReadAll(p.out); len(rest) > 0 {
		p.t.Errorf("more output: %s", rest)
	}
	if err := <-p.done; err != nil {
		p.t.Errorf("served with %v", err)
	}
	p.stop()
}

const (
	meta       = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}`
)

func call(id, name, more string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + name + `"` + more + `}}`
}

func TestServe_bothErasOnOnePipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t)
		p.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		p.expect(`{"jsonrpc":"2.0","id":1,"result":{}}`)
		p.send(call("2", "echo", ""))
		if got := p.line(); !strings.Contains(got, "-32600") || !strings.Contains(got, `"id":2`) {
			t.Errorf("before initialize: %s", got)
		}
		p.send(`{"jsonrpc":"2.0","id":3,"method":"server/discover"}`)
		if got := p.line(); !strings.Contains(got, "-32601") {
			t.Errorf("discover without revision: %s", got)
		}
		p.send(`{"jsonrpc":"2.0","id":4,"method":"server/discover","params":{` + meta + `}}`)
		if got := p.line(); !strings.Contains(got, `"supportedVersions":["2026-07-28"`) {
			t.Errorf("discover: %s", got)
		}
		p.send(call(`"x"`, "echo", `,"arguments":{"n":9007199254740993},`+meta))
		p.expect(`{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","content":[],"structuredContent":{"n":9007199254740993}}}`)
		p.send(strings.ReplaceAll(call("5", "echo", ","+meta), "2026-07-28", "2099-01-01"))
		if got := p.line(); !strings.Contains(got, "-32022") {
			t.Errorf("unknown revision: %s", got)
		}

		p.send(initialize, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		if got := p.line(); !strings.Contains(got, `"protocolVersion":"2025-11-25"`) {
			t.Errorf("initialize: %s", got)
		}
		p.send("", call("9007199254740993", "echo", ""))
		p.expect(`{"jsonrpc":"2.0","id":9007199254740993,"result":{"content":[],"structuredContent":{}}}`)
		p.hub.Emit("notifications/tools/list_changed", "")
		p.expect(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		p.end()
		if n := len(p.hub.Watches()); n != 0 {
			t.Errorf("%d watches left", n)
		}
	})
}

func TestServe_concurrentCancelledAndAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t)
		p.send(initialize)
		p.line()
		p.hub.On("slow", func(ctx context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			<-ctx.Done()
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "ended"))
		})
		p.hub.On("asks", func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			a, err := sink.Ask(ctx, mcpwire.Question{Method: mcpwire.MethodElicit, Params: []byte("{\n}")})
			if err != nil {
				return mcpwire.Fail(mcpwire.Errorf(1, "%v", err))
			}
			return mcpwire.Done(req.Revision, append([]byte(`{"a":`), append(a.Result, '}')...))
		})
		p.send(call("1", "slow", ""), call("2", "slow", ","+meta), call("1", "echo", ""))
		if got := p.line(); !strings.Contains(got, "in flight already") {
			t.Errorf("id in flight: %s", got)
		}
		p.send(call("3", "echo", "")) // beside the slow ones
		p.expect(`{"jsonrpc":"2.0","id":3,"result":{"content":[],"structuredContent":{}}}`)
		for _, id := range []string{"1", "2"} {
			p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`)
		}
		p.send(call("4", "asks", "")) // the cancelled ones are not answered
		var q struct {
			ID     json.RawMessage
			Method string
		}
		if got := p.line(); json.Unmarshal([]byte(got), &q) != nil || q.Method != "elicitation/create" {
			t.Fatalf("question: %s", got)
		}
		p.send(`{"jsonrpc":"2.0","id":` + string(q.ID) + `,"result":{"action":"accept"}}`)
		p.expect(`{"jsonrpc":"2.0","id":4,"result":{"a":{"action":"accept"}}}`)
		p.end()
	})
}

func TestServe_listen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t)
		for _, id := range []string{`"l"`, "7"} {
			p.send(`{"jsonrpc":"2.0","id":` + id + `,"method":"subscriptions/listen","params":{"notifications":{"promptsListChanged":true},` + meta + `}}`)
			p.expect(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"promptsListChanged":true},"_meta":{"io.modelcontextprotocol/subscriptionId":` + id + `}}}`)
		}
		p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l"}}`)
		synctest.Wait()
		p.hub.Emit("notifications/prompts/list_changed", "")
		p.expect(`{"jsonrpc":"2.0","method":"notifications/prompts/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}}`)
		p.in.Close()
		p.expect(`{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":7}}}`)
		p.end()
	})
}

// What came in before the end of input is answered; what never ends is ended.
func TestServe_endOfInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t)
		wait := func(d time.Duration) sessiontest.Serve {
			return func(ctx context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
				select {
				case <-time.After(d):
					return mcpwire.Done(req.Revision, []byte(`{"resultType":"complete"}`))
				case <-ctx.Done():
					return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "ended"))
				}
			}
		}
		p.hub.On("slow", wait(20*time.Second))
		p.hub.On("endless", wait(time.Hour))
		p.send(call("1", "slow", ","+meta), call("2", "endless", ","+meta))
		start := time.Now()
		p.in.Close()
		p.expect(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"}}`)
		p.expect(`{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"ended"}}`)
		if d := time.Since(start); d != 25*time.Second {
			t.Errorf("ended after %v", d)
		}
		p.end()

		p = startEndless(t, wait(time.Hour))
		p.stop()
		p.line()
		if err := <-p.done; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
}

func startEndless(t *testing.T, f sessiontest.Serve) *pipe {
	p := start(t)
	p.hub.On("endless", f)
	p.send(call("1", "endless", ","+meta))
	synctest.Wait()
	return p
}

// One line per message, whatever line breaks a backend puts between tokens.
func TestServe_resultsOnOneLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t)
		text := strings.Repeat("x", 1<<20)
		p.hub.On("small", func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			sink.Notify(mcpwire.Notification{Method: mcpwire.MethodProgress, Params: []byte("{\r\n\"progressToken\":\n5}")})
			return mcpwire.Done(req.Revision, []byte("{\n\"a\":1}"))
		})
		p.hub.On("large", func(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			o := mcpwire.Done(req.Revision, []byte("{\n\"a\":\""))
			o.Result.Rest = io.NopCloser(strings.NewReader(text + "\"\n}"))
			return o
		})
		p.hub.On("broken", func(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			o := mcpwire.Done(req.Revision, []byte(`{"a":`))
			o.Result.Rest = io.NopCloser(io.MultiReader(strings.NewReader(`"x`), broken{}))
			return o
		})
		p.send(call("1", "small", `,`+strings.Replace(meta, `"_meta":{`, `"_meta":{"progressToken":5,`, 1)))
		p.expect(`{"jsonrpc":"2.0","method":"notifications/progress","params":{  "progressToken": 5}}`)
		p.expect(`{"jsonrpc":"2.0","id":1,"result":{ "a":1}}`)
		p.send(call("2", "large", ","+meta))
		p.expect(`{"jsonrpc":"2.0","id":2,"result":{ "a":"` + text + `" }}`)
		p.send(call("3", "broken", ","+meta))
		p.line() // not JSON, and not to be taken for an answer
		if got := p.line(); !strings.Contains(got, `"id":3,"error"`) || !strings.Contains(got, "broke off") {
			t.Errorf("broken: %s", got)
		}
		p.end()
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, mcpwire.ErrBadFrame }

func TestServe_badLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t)
		for line, code := range map[string]string{
			"nonsense": "-32700",
			`{"jsonrpc":"2.0","id":1,"method":"a","METHOD":"b"}`: "-32600",
			`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`:         "-32600",
			`{"jsonrpc":"2.0","id":1}`:                           "-32600",
		} {
			p.send(line)
			if got := p.line(); !strings.Contains(got, code) {
				t.Errorf("%s: %s", line, got)
			}
		}
		go p.send(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("x", 16<<20) + `"}}`)
		if got := p.line(); !strings.Contains(got, "longer than 16 MiB") {
			t.Errorf("long line: %s", got)
		}
		p.send(strings.Replace(initialize, "2025-11-25", "2025-03-26", 1))
		p.line()
		p.send(`[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"}]`)
		p.expect(`{"jsonrpc":"2.0","id":1,"result":{}}`)
		if got := len(p.hub.Served()); got != 0 {
			t.Errorf("the hub was asked %d times", got)
		}
		p.end()
	})
}

// A client that writes on and on before it reads is served all the same.
func TestServe_clientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t)
		for n := range 300 {
			p.send(call(fmt.Sprint(n), "echo", ","+meta))
		}
		synctest.Wait()
		for range 300 {
			p.line()
		}
		p.send(call("300", "echo", ","+meta))
		synctest.Wait()
		p.stop() // while the answer still waits to be read
		if err := <-p.done; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
}

// A client that is gone ends the server, with the reason.
func TestServe_outputFails(t *testing.T) {
	t.Parallel()
	errGone := errors.New("gone")
	var in bytes.Buffer
	fmt.Fprintln(&in, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	err := stdio.Serve(t.Context(), slog.New(slog.DiscardHandler), &in, failing{errGone}, sessiontest.NewHub(), account.Local())
	if !errors.Is(err, errGone) {
		t.Errorf("served with %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
