package stdio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/stdio"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

// dialer runs this test binary as a server of an era.
func dialer(t *testing.T, era, mode string, change ...func(*stdio.Config)) *stdio.Dialer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := stdio.Config{
		Name: "fake", Command: self, Env: append(stdio.BaseEnv(os.LookupEnv), "FAKE_ERA="+era, "FAKE_MODE="+mode,
			"GORACE=atexit_sleep_ms=0"),
		ClientInfo: []byte(`{"name":"drawbridge","version":"1"}`),
	}
	for _, c := range change {
		c(&cfg)
	}
	return stdio.New(slog.New(slog.DiscardHandler), cfg)
}

func dial(t *testing.T, d *stdio.Dialer) backend.Peer {
	t.Helper()
	p, err := d.Dial(t.Context(), backend.Hello{})
	if err != nil {
		t.Fatalf("dial: %v\n%s", err, strings.Join(d.Stderr(), "\n"))
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// sink remembers what it is told and answers with answer.
type sink struct {
	mu     sync.Mutex
	notes  []string // method and params
	asked  []string
	over   bool
	after  bool // it was used after over
	answer func(context.Context, mcpwire.Question) (mcpwire.Answer, error)
}

func (s *sink) Notify(n mcpwire.Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = s.after || s.over
	s.notes = append(s.notes, n.Method+" "+string(n.Params))
}

func (s *sink) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	s.mu.Lock()
	s.after = s.after || s.over
	s.asked = append(s.asked, q.Method)
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	return answer(ctx, q)
}

func (s *sink) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.notes...)
}

var everything = mcpwire.Capabilities{Elicitation: true, Sampling: true, Roots: true}

// request is a call of a tool by a client of a revision.
func request(t *testing.T, rev mcpwire.Revision, tool, args, meta string) *mcpwire.Request {
	t.Helper()
	params := fmt.Sprintf(`{"name":%q,"arguments":%s,"_meta":%s}`, tool, args, meta)
	req, err := mcpwire.NewRequest(mcpwire.MethodToolsCall, rev, []byte(params))
	if err != nil {
		t.Fatal(err)
	}
	req.Caller = &mcpwire.Caller{Revision: rev, Can: everything, Info: []byte(`{"name":"client"}`)}
	return req
}

func call(t *testing.T, p backend.Peer, tool, args string) mcpwire.Outcome {
	t.Helper()
	return p.Serve(t.Context(), request(t, mcpwire.Rev20251125, tool, args, `{}`), &sink{})
}

// state is what the server says of itself.
type state struct {
	Cancelled []string
	Level     string
	Pid       int
	Env       []string
	Listens   int
}

func stateOf(t *testing.T, p backend.Peer) state {
	t.Helper()
	out := call(t, p, "state", `{}`)
	var s state
	if err := json.Unmarshal(out.Result.Bytes, &s); err != nil {
		t.Fatalf("state: %v in %+v", err, out)
	}
	return s
}

func TestDial_learnsTheEra(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		era, mode string
		want      mcpwire.Revision
	}{
		{"2024-11-05", "", mcpwire.Rev20241105},
		{"2025-03-26", "", mcpwire.Rev20250326},
		{"2025-06-18", "", mcpwire.Rev20250618},
		{"2025-11-25", "", mcpwire.Rev20251125},
		{"2026-07-28", "", mcpwire.Rev20260728},
		{"dual", "", mcpwire.Rev20260728},
		{"2025-11-25", "slow-probe", mcpwire.Rev20251125},
		{"2025-11-25", "dies-probing", mcpwire.Rev20251125},
		{"dual", "probe-lists-legacy", mcpwire.Rev20251125},
		{"2025-11-25", "names-modern", mcpwire.Rev20251125},
	} {
		t.Run(tt.era+" "+tt.mode, func(t *testing.T) {
			t.Parallel()
			d := dialer(t, tt.era, tt.mode, func(c *stdio.Config) { c.ProbeTimeout = 5 * time.Second })
			if tt.mode == "slow-probe" {
				d = dialer(t, tt.era, tt.mode, func(c *stdio.Config) { c.ProbeTimeout = 50 * time.Millisecond })
			}
			for range 2 { // the second time the era is known
				p := dial(t, d)
				info := p.Info()
				if info.Revision != tt.want || info.Transport != backend.Stdio || info.Instructions != "use it" && tt.mode == "" ||
					string(info.ServerInfo) != `{"name":"fake"}` {
					t.Errorf("info = %+v, want revision %s", info, tt.want)
				}
				if out := call(t, p, "echo", `{}`); out.Kind != mcpwire.Complete || out.Revision != tt.want {
					t.Errorf("echo got %+v", out)
				}
			}
		})
	}
}

func TestDial_failures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		d      *stdio.Dialer
		code   fault.Code
		public string
	}{
		"no such command": {dialer(t, "dual", "", func(c *stdio.Config) { c.Command = "no-such-command-here" }), fault.Upstream, "was not found"},
		"no such path":    {dialer(t, "dual", "", func(c *stdio.Config) { c.Command = "/no/such/command" }), fault.Upstream, "was not found"},
		"no such folder":  {dialer(t, "dual", "", func(c *stdio.Config) { c.Dir = "/no/such/folder" }), fault.Upstream, "cwd"},
		"not a program":   {dialer(t, "dual", "", func(c *stdio.Config) { c.Command = "/etc/passwd" }), fault.Upstream, "executable"},
		"dies at start":   {dialer(t, "dual", "dies"), fault.Unavailable, "exit status 7"},
		"silent": {dialer(t, "dual", "silent", func(c *stdio.Config) { c.ProbeTimeout = 10 * time.Millisecond }),
			fault.Timeout, "does not answer"},
		"unknown revision": {dialer(t, "2025-12-12", ""), fault.Upstream, "refuses the handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := tt.d.Dial(ctx, backend.Hello{})
			if fault.CodeOf(err) != tt.code || !strings.Contains(fault.PublicOf(err), tt.public) {
				t.Errorf("err = %v with code %s, want %s and %q", err, fault.CodeOf(err), tt.code, tt.public)
			}
		})
	}
}

func TestStderr_isKeptWithoutSecrets(t *testing.T) {
	t.Parallel()
	d := dialer(t, "dual", "dies", func(c *stdio.Config) { c.Secrets = []secret.String{secret.New("hunter2secret")} })
	if _, err := d.Dial(t.Context(), backend.Hello{}); err == nil {
		t.Fatal("a process that dies gave a peer")
	}
	lines := d.Stderr()
	if len(lines) == 0 || lines[0] != "cannot find module ***" {
		t.Errorf("stderr = %q", lines)
	}
}

func TestStderr_flood(t *testing.T) {
	t.Parallel()
	d := dialer(t, "2025-11-25", "")
	p := dial(t, d)
	if out := call(t, p, "flood", `{"N":20000}`); string(out.Result.Bytes) != `{"flooded":true}` {
		t.Errorf("got %+v", out)
	}
	if out := call(t, p, "stderr", `{"text":"a\u001b[31mred\u202e"}`); out.Kind != mcpwire.Complete {
		t.Errorf("got %+v", out)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	lines := d.Stderr()
	if len(lines) != 200 || lines[199] != "a[31mred" || lines[0] != strings.Repeat("e", 1000) {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestServe_bytesSurvive(t *testing.T) {
	t.Parallel()
	for _, era := range []mcpwire.Revision{mcpwire.Rev20251125, mcpwire.Rev20260728} {
		p := dial(t, dialer(t, string(era), ""))
		out := call(t, p, "exact", `{}`)
		if want := `{"z":1,"a":9007199254740993,"n":1.0,"content":[{"type":"video","x":"\u00e9é"}]}`; string(out.Result.Bytes) != want {
			t.Errorf("result = %s", out.Result.Bytes)
		}
		out = call(t, p, "error", `{"N":-32099}`)
		if got := string(out.Err.Append(nil)); got != `{"code":-32099,"message":"no","data":{"n":9007199254740993}}` {
			t.Errorf("error = %s", got)
		}
		const size = 10 << 20
		out = call(t, p, "big", fmt.Sprintf(`{"N":%d}`, size))
		if len(out.Result.Bytes) != size+len(`{"text":""}`) {
			t.Errorf("big result has %d bytes", len(out.Result.Bytes))
		}
		big := strings.Repeat("y", size)
		out = call(t, p, "echo", `{"text":"`+big+`"}`)
		if !strings.Contains(string(out.Result.Bytes), big) {
			t.Errorf("big request came back with %d bytes", len(out.Result.Bytes))
		}
		out = call(t, p, "echo", `{"text":"`+big+big+`"}`)
		if out.Kind != mcpwire.Failed || !strings.Contains(out.Err.Message, "larger than a line") {
			t.Errorf("a request of 20 MiB got %+v", out.Err)
		}
		out = call(t, p, "echo", "{\n\"a\" :\r\n 1}")
		if got := string(out.Result.Bytes); !strings.Contains(got, `{ "a" :   1}`) {
			t.Errorf("line breaks: %s", got)
		}
	}
}

func TestServe_acrossEras(t *testing.T) {
	t.Parallel()
	meta := `{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"m"},` +
		`"io.modelcontextprotocol/clientCapabilities":{},"traceparent":"00-1"}`
	for _, tt := range []struct {
		client, server mcpwire.Revision
		meta           string
		has, lacks     []string
	}{
		{mcpwire.Rev20251125, mcpwire.Rev20260728, `{"traceparent":"00-1"}`,
			[]string{`"traceparent":"00-1"`, `"io.modelcontextprotocol/protocolVersion":"2026-07-28"`, `"io.modelcontextprotocol/clientInfo":{"name":"client"}`,
				`"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{},"roots":{}}`, `"io.modelcontextprotocol/logLevel":"info"`}, []string{"progressToken"}},
		{mcpwire.Rev20260728, mcpwire.Rev20251125, meta, []string{`"traceparent":"00-1"`, `"progressToken"`}, []string{"io.modelcontextprotocol"}},
		{mcpwire.Rev20260728, mcpwire.Rev20260728, meta, []string{`"io.modelcontextprotocol/clientInfo":{"name":"m"}`, `"traceparent":"00-1"`}, []string{`"p"`}},
	} {
		p := dial(t, dialer(t, string(tt.server), ""))
		out := p.Serve(t.Context(), request(t, tt.client, "echo", `{}`, tt.meta), &sink{})
		got := string(out.Result.Bytes)
		for _, s := range tt.has {
			if !strings.Contains(got, s) {
				t.Errorf("%s to %s: the server did not get %s: %s", tt.client, tt.server, s, got)
			}
		}
		for _, s := range tt.lacks {
			if strings.Contains(got, s) {
				t.Errorf("%s to %s: the server got %s: %s", tt.client, tt.server, s, got)
			}
		}
	}
}

func TestServe_inputRequired(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2026-07-28", ""))
	if out := call(t, p, "input", `{}`); out.Kind != mcpwire.InputRequired || out.Revision != mcpwire.Rev20260728 {
		t.Errorf("got %+v", out)
	}
}

func TestServe_progress(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", ""))
	for _, token := range []string{`"a\u0062c"`, `9007199254740993`} {
		var s sink
		out := p.Serve(t.Context(), request(t, mcpwire.Rev20251125, "progress", `{}`, `{"progressToken":`+token+`}`), &s)
		if out.Kind != mcpwire.Complete {
			t.Fatalf("got %+v", out)
		}
		stateOf(t, p) // by then the one after the result has been read
		notes := s.heard()
		if len(notes) != 3 || notes[2] != `notifications/progress {"progressToken":`+token+`,"progress":2,"keep":9007199254740993}` {
			t.Errorf("heard %q", notes)
		}
	}
	var s sink
	p.Serve(t.Context(), request(t, mcpwire.Rev20251125, "progress", `{}`, `{}`), &s)
	if notes := s.heard(); len(notes) != 0 {
		t.Errorf("a caller without a token heard %q", notes)
	}
}

func TestServe_concurrentCallsDoNotMix(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", ""))
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 100 {
				canary := fmt.Sprintf("canary-%d-%d", worker, i)
				tool := []string{"echo", "progress"}[i%2]
				var s sink
				out := p.Serve(t.Context(), request(t, mcpwire.Rev20251125, tool, `{"text":"`+canary+`"}`, `{"progressToken":"`+canary+`"}`), &s)
				if tool == "echo" && !strings.Contains(string(out.Result.Bytes), canary) {
					t.Errorf("%s got %s", canary, out.Result.Bytes)
				}
				for _, n := range s.heard() {
					if !strings.Contains(n, canary) {
						t.Errorf("%s heard %s", canary, n)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestServe_cancel(t *testing.T) {
	t.Parallel()
	for _, era := range []string{"2025-11-25", "2026-07-28"} {
		p := dial(t, dialer(t, era, ""))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		out := p.Serve(ctx, request(t, mcpwire.Rev20251125, "hang", `{}`, `{}`), &sink{})
		if out.Kind != mcpwire.Failed {
			t.Errorf("got %+v", out)
		}
		if s := stateOf(t, p); len(s.Cancelled) != 1 {
			t.Errorf("%s: the server was told of %q", era, s.Cancelled)
		}
	}
}

// The attack: a process goes on talking of a call that its client has given up.
// The request's memory then belongs to the next request, of anybody, and nothing
// may look at it; run with -race.
func TestServe_leavesTheRequestAlone(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", ""))
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		req := request(t, mcpwire.Rev20251125, "chatter", `{"n":2000}`, `{"progressToken":"first"}`)
		s := &told{first: cancel}
		if out := p.Serve(ctx, req, s); out.Kind != mcpwire.Failed {
			t.Fatalf("got %+v", out)
		}
		for i := range req.Params {
			req.Params[i] = 'x' // the pool's next user
		}
	}
	if out := call(t, p, "echo", `{}`); out.Kind != mcpwire.Complete {
		t.Errorf("afterwards: %+v", out)
	}
}

// told calls first at the first notification.
type told struct {
	first func()
	sink
}

func (s *told) Notify(mcpwire.Notification) { s.first() }

func TestServe_badBackend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ tool, want string }{
		{"garbage", `{"after":"garbage"}`},
		{"strays", `{"mine":1}`},
		{"batch", `{"batched":true}`},
	} {
		p := dial(t, dialer(t, "2025-03-26", ""))
		for range 2 {
			if out := call(t, p, tt.tool, `{}`); string(out.Result.Bytes) != tt.want {
				t.Errorf("%s: got %+v %s", tt.tool, out, out.Result.Bytes)
			}
		}
	}
}

func TestServe_processDies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ tool, want string }{
		{"die", "its process exited (exit status 3)"},
		{"long-line", "it sent a line that is too long"},
	} {
		t.Run(tt.tool, func(t *testing.T) {
			t.Parallel()
			p := dial(t, dialer(t, "2025-11-25", ""))
			hung := make(chan mcpwire.Outcome, 4)
			for range cap(hung) {
				req := request(t, mcpwire.Rev20251125, "hang", `{}`, `{}`)
				go func() { hung <- p.Serve(t.Context(), req, &sink{}) }()
			}
			stateOf(t, p)
			before := time.Now()
			out := call(t, p, tt.tool, `{}`)
			for range cap(hung) {
				<-hung
			}
			if out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeInternal || out.Err.Message != tt.want {
				t.Errorf("got %+v", out.Err)
			}
			if d := time.Since(before); d > 5*time.Second {
				t.Errorf("callers learned of it after %s", d)
			}
			<-p.Lost()
			if out := call(t, p, "echo", `{}`); out.Kind != mcpwire.Failed || out.Err.Message != tt.want {
				t.Errorf("a call afterwards got %+v", out)
			}
		})
	}
}

func TestServe_processThatReadsNothing(t *testing.T) {
	t.Parallel()
	p := dial(t, dialer(t, "2025-11-25", "", func(c *stdio.Config) { c.Grace = stdio.Grace{EOF: time.Millisecond, Term: time.Millisecond} }))
	call(t, p, "deaf", `{}`)
	big := `{"text":"` + strings.Repeat("x", 1<<20) + `"}`
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	before := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		req := request(t, mcpwire.Rev20251125, "echo", big, `{}`)
		wg.Go(func() {
			if out := p.Serve(ctx, req, &sink{}); out.Kind != mcpwire.Failed {
				t.Errorf("got %+v", out)
			}
		})
	}
	wg.Wait()
	if d := time.Since(before); d > 3*time.Second {
		t.Errorf("callers were held for %s", d)
	}
}

func TestServe_theBackendsProtocolErrorsStayBetweenUs(t *testing.T) {
	t.Parallel()
	d := dialer(t, "2026-07-28", "")
	p := dial(t, d)
	if out := call(t, p, "error", `{"N":-32022}`); out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeInternal {
		t.Errorf("got %+v", out.Err)
	}
	<-p.Lost()
	if p := dial(t, d); p.Info().Revision != mcpwire.Rev20260728 {
		t.Errorf("asked again, it speaks %s", p.Info().Revision)
	}
}

func TestDial_environment(t *testing.T) {
	t.Parallel()
	s := stateOf(t, dial(t, dialer(t, "2025-11-25", "", func(c *stdio.Config) {
		c.Env = append(stdio.BaseEnv(func(name string) (string, bool) {
			v, ok := map[string]string{"PATH": "/bin", "HOME": "/h", "GATEWAY_STATIC_API_KEY": "k"}[name]
			return v, ok
		}), "FAKE_ERA=2025-11-25", "TOKEN=t")
	})))
	got := strings.Join(s.Env, "\n")
	if !strings.HasPrefix(got, "PATH=/bin\nHOME=/h\nFAKE_ERA=2025-11-25\nTOKEN=t\nDRAWBRIDGE_CHILD=") || len(s.Env) != 5 {
		t.Errorf("the process sees:\n%s", got)
	}
}

func TestDial_contextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := dialer(t, "dual", "silent").Dial(ctx, backend.Hello{}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
