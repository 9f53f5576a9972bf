package remote_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

// TestEra is the backend probing of protocol reference 2.1, one row each.
func TestEra(t *testing.T) {
	t.Parallel()
	rpcError := func(status int, code int, data string) func(http.ResponseWriter, message) {
		return func(w http.ResponseWriter, m message) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"no","data":%s}}`, m.ID, code, data)
		}
	}
	for _, tt := range []struct {
		name     string
		discover func(w http.ResponseWriter, m message)
		modern   bool
	}{
		{"result", func(w http.ResponseWriter, m message) { reply(w, m.ID, discovered) }, true},
		{"result as a stream", func(w http.ResponseWriter, m message) {
			event(w, "", `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`)
			event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, discovered))
		}, true},
		{"header mismatch", rpcError(400, -32020, "null"), true},
		{"missing capability", rpcError(400, -32021, `{"requiredCapabilities":{}}`), true},
		{"unsupported version, with ours", rpcError(400, -32022, `{"supported":["2026-07-28","2025-11-25"]}`), true},
		{"no such method, 404", rpcError(404, -32601, "null"), true},

		{"result with legacy revisions", func(w http.ResponseWriter, m message) {
			reply(w, m.ID, `{"supportedVersions":["2025-11-25"],"capabilities":{}}`)
		}, false},
		{"result without revisions", func(w http.ResponseWriter, m message) { reply(w, m.ID, `{"tools":[]}`) }, false},
		{"unsupported version, without ours", rpcError(400, -32022, `{"supported":["2025-11-25"]}`), false},
		{"no such method, 200", rpcError(200, -32601, "null"), false},
		{"no such method, 400", rpcError(400, -32601, "null"), false},
		{"another code, 404", rpcError(404, -32000, "null"), false},
		{"no session, 400", rpcError(400, -32000, "null"), false},
		{"plain 404", func(w http.ResponseWriter, _ message) { http.Error(w, "not found", 404) }, false},
		{"plain 405", func(w http.ResponseWriter, _ message) { w.WriteHeader(405) }, false},
		{"406", func(w http.ResponseWriter, _ message) { w.WriteHeader(406) }, false},
		{"500", func(w http.ResponseWriter, _ message) { w.WriteHeader(500) }, false},
		{"202", func(w http.ResponseWriter, _ message) { w.WriteHeader(202) }, false},
		{"HTML", func(w http.ResponseWriter, _ message) { _, _ = io.WriteString(w, "<p>hello") }, false},
		{"HTML, 400", func(w http.ResponseWriter, _ message) { w.WriteHeader(400); _, _ = io.WriteString(w, "<p>no") }, false},
		{"connection lost", func(http.ResponseWriter, message) { panic(http.ErrAbortHandler) }, false},
		{"silence", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var discovers, initializes atomic.Int64
			f := newFake(t, func(_ *fake, w http.ResponseWriter, _ *http.Request, m message) { reply(w, m.ID, `{}`) })
			inner := f.Config.Handler
			f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch method := r.Header.Get("Mcp-Method"); {
				case method == "server/discover":
					discovers.Add(1)
					checkModernHead(t, r)
					b, _ := io.ReadAll(r.Body)
					if tt.discover == nil {
						<-r.Context().Done()
						return
					}
					tt.discover(w, parse(t, b))
				case r.Header.Get("MCP-Protocol-Version") == "" && r.Method == http.MethodPost:
					initializes.Add(1)
					fallthrough
				default:
					inner.ServeHTTP(w, r)
				}
			})
			d := dialer(t, f.URL, func(c *remote.Config) { c.Handshake = 300 * time.Millisecond })
			p := dial(t, d, mcpwire.Capabilities{})
			if got := p.Info().Revision.Modern(); got != tt.modern {
				t.Fatalf("modern: %v", got)
			}
			if initializes.Load() == 0 != tt.modern {
				t.Errorf("%d initializes", initializes.Load())
			}
			dial(t, d, mcpwire.Capabilities{})
			if want := map[bool]int64{true: 2, false: 1}[tt.modern]; discovers.Load() != want {
				t.Errorf("%d discovers in two dials", discovers.Load())
			}
		})
	}
}

func checkModernHead(t *testing.T, r *http.Request) {
	t.Helper()
	if r.Header.Get("MCP-Protocol-Version") != "2026-07-28" || r.Header.Get("Mcp-Session-Id") != "" || r.Header.Get("Mcp-Name") != "" {
		t.Errorf("discover with %v", r.Header)
	}
}

// TestHeals follows a backend that becomes something else, both ways.
func TestHeals(t *testing.T) {
	t.Parallel()
	var modern atomic.Bool
	f := newFake(t, func(_ *fake, w http.ResponseWriter, r *http.Request, m message) {
		if r.Header.Get("Mcp-Session-Id") == "" {
			http.Error(w, "no session", http.StatusBadRequest)
			return
		}
		reply(w, m.ID, `{"legacy":true}`)
	})
	inner := f.Config.Handler
	m := newModern(t, func(w http.ResponseWriter, r *http.Request, m message) {
		if r.Header.Get("MCP-Protocol-Version") != "2026-07-28" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}`, m.ID)
			return
		}
		reply(w, m.ID, `{"legacy":false}`)
	})
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if modern.Load() {
			m.Config.Handler.ServeHTTP(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	})
	d := dialer(t, f.URL)
	for i := range 4 {
		p := dial(t, d, mcpwire.Capabilities{})
		want := fmt.Sprintf(`{"legacy":%v}`, i%2 == 0)
		if got, _ := serve(t.Context(), p, echo(t, "x"), newSink()); got != want || p.Info().Revision.Modern() == (i%2 == 0) {
			t.Fatalf("round %d: %s, %s", i, got, p.Info().Revision)
		}
		modern.Store(i%2 == 0)
		if got, _ := serve(t.Context(), p, echo(t, "x"), newSink()); got != "error -32603 it no longer speaks the revision it spoke before, and is being asked anew" {
			t.Errorf("round %d, after the change: %s", i, got)
		}
		receive(t, p.Lost())
	}
}

// TestRedirect is taken once, in the handshake, and within the backend.
func TestRedirect(t *testing.T) {
	t.Parallel()
	var redirected atomic.Int64
	f := newFake(t, func(_ *fake, w http.ResponseWriter, _ *http.Request, m message) { reply(w, m.ID, `{}`) })
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/mcp/" {
			inner.ServeHTTP(w, r)
			return
		}
		redirected.Add(1)
		http.Redirect(w, r, f.URL+"/mcp/", http.StatusTemporaryRedirect)
	})
	p := dial(t, dialer(t, f.URL+"/mcp"), mcpwire.Capabilities{})
	if got, _ := serve(t.Context(), p, echo(t, "x"), newSink()); got != "{}" || redirected.Load() != 1 {
		t.Errorf("%s after %d redirects", got, redirected.Load())
	}
}

func TestModernRequest(t *testing.T) {
	t.Parallel()
	type sent struct {
		head http.Header
		body message
	}
	requests := make(chan sent, 10)
	srv := newModern(t, func(w http.ResponseWriter, r *http.Request, m message) {
		requests <- sent{r.Header.Clone(), m}
		reply(w, m.ID, `{"resultType":"complete"}`)
	})
	p := dial(t, dialer(t, srv.URL, func(c *remote.Config) {
		c.Bearer = secret.New("tok")
		c.Headers = map[string]secret.String{"X-Team": secret.New("a b")}
		c.Self = []byte(`{"name":"me","version":"2"}`)
	}), mcpwire.Capabilities{})
	meta := func(level, info string) string {
		if level != "" {
			level = `,"io.modelcontextprotocol/logLevel":"` + level + `"`
		}
		return `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":` + info + `,"io.modelcontextprotocol/clientCapabilities":{}` + level
	}
	for _, tt := range []struct {
		name, method, params, target string
		caller                       *mcpwire.Caller
		headers                      map[string]string
		wantName, wantParams         string
	}{
		{
			"renamed, with arguments as they are", "tools/call", `{"name":"b_echo","arguments":{"n":9007199254740993, "x":1.0},"_meta":{"progressToken":7,"k":1}}`, "echo",
			&mcpwire.Caller{Revision: mcpwire.LatestLegacy, Info: []byte(`{"name":"c"}`)}, map[string]string{"Mcp-Param-Region": "eu", "Evil": "x"},
			"echo", `{"name":"echo","arguments":{"n":9007199254740993, "x":1.0},"_meta":{"k":1,` + meta("info", `{"name":"c"}`) + `,"progressToken":ID}}`,
		},
		{
			"name that no header can carry", "resources/read", `{"uri":"file:///ä"}`, "",
			&mcpwire.Caller{Revision: mcpwire.LatestLegacy, LogLevel: "error"}, nil,
			"=?base64?ZmlsZTovLy/DpA==?=", `{"uri":"file:///ä","_meta":{` + meta("error", `{"name":"me","version":"2"}`) + `}}`,
		},
		{
			"no params, nobody's request", "tools/list", "", "", nil, nil,
			"", `{"_meta":{` + meta("", `{"name":"me","version":"2"}`) + `}}`,
		},
	} {
		r := request(t, tt.method, tt.params)
		r.Caller, r.ParamHeaders = tt.caller, tt.headers
		if tt.target != "" {
			r.Target = tt.target
		}
		if got, o := serve(t.Context(), p, r, newSink()); got != `{"resultType":"complete"}` || o.Revision != mcpwire.Rev20260728 {
			t.Fatal(got)
		}
		got := receive(t, requests)
		want := map[string]string{
			"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": tt.method, "Mcp-Name": tt.wantName, "Mcp-Session-Id": "", "Evil": "",
			"Authorization": "Bearer tok", "X-Team": "a b", "Mcp-Param-Region": tt.headers["Mcp-Param-Region"],
		}
		have := map[string]string{}
		for k := range want {
			have[k] = got.head.Get(k)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(strings.ReplaceAll(tt.wantParams, "ID", string(got.body.ID)), string(got.body.Params)); diff != "" {
			t.Errorf("%s: params (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestResultTypes(t *testing.T) {
	t.Parallel()
	var result atomic.Value
	srv := newModern(t, func(w http.ResponseWriter, _ *http.Request, m message) { reply(w, m.ID, result.Load().(string)) })
	p := dial(t, dialer(t, srv.URL), mcpwire.Capabilities{})
	with := func(ext string) *mcpwire.Caller {
		return &mcpwire.Caller{Revision: mcpwire.LatestModern, Capabilities: []byte(`{"extensions":{` + ext + `}}`)}
	}
	for _, tt := range []struct {
		result string
		caller *mcpwire.Caller
		want   mcpwire.Kind
	}{
		{`{"a":1}`, nil, mcpwire.Complete},
		{`{"resultType":"complete"}`, nil, mcpwire.Complete},
		{`{"resultType":"input_required","requestState":"s"}`, nil, mcpwire.InputRequired},
		{`{"resultType":"task","taskId":"1"}`, nil, mcpwire.Failed},
		{`{"resultType":"task","taskId":"1"}`, with(``), mcpwire.Failed},
		{`{"resultType":"task","taskId":"1"}`, with(`"com.example/x":{}`), mcpwire.Failed},
		{`{"resultType":"task","taskId":"1"}`, with(`"io.modelcontextprotocol/tasks":{}`), mcpwire.Complete},
		{`{"resultType":"new"}`, with(`"com.example/x":{}`), mcpwire.Complete},
		{`{"resultType":"new"}`, with(``), mcpwire.Failed},
		{`{"resultType":3}`, with(`"com.example/x":{}`), mcpwire.Failed},
	} {
		result.Store(tt.result)
		r := request(t, "tools/call", `{"name":"x"}`)
		r.Caller = tt.caller
		if got, o := serve(t.Context(), p, r, newSink()); o.Kind != tt.want || o.Kind != mcpwire.Failed && got != tt.result {
			t.Errorf("%s for %+v: kind %d, %s", tt.result, tt.caller, o.Kind, got)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg  remote.Config
		want fault.Code // "" for acceptable
	}{
		{remote.Config{URL: "http://127.0.0.1:1/mcp"}, ""},
		{remote.Config{URL: "https://host"}, ""},
		{remote.Config{URL: "http://[::1]:9/x?y=z"}, ""},
		{remote.Config{URL: "http://host/mcp", Proxy: "http://proxy:3128"}, ""},
		{remote.Config{URL: "http://host", Headers: map[string]secret.String{"Authorization": secret.New("Basic x")}}, ""},
		{remote.Config{URL: ""}, fault.Invalid},
		{remote.Config{URL: "/mcp"}, fault.Invalid},
		{remote.Config{URL: "ftp://host/"}, fault.Invalid},
		{remote.Config{URL: "http://:80/"}, fault.Invalid},
		{remote.Config{URL: "http://u:p@host/"}, fault.Invalid},
		{remote.Config{URL: "http://ho st/"}, fault.Invalid},
		{remote.Config{URL: "http://169.254.169.254/latest"}, fault.Forbidden},
		{remote.Config{URL: "http://[::ffff:169.254.169.254]/"}, fault.Forbidden},
		{remote.Config{URL: "http://[fd00:ec2::254]/"}, fault.Forbidden},
		{remote.Config{URL: "http://[64:ff9b::169.254.169.254]/"}, fault.Forbidden}, // NAT64
		{remote.Config{URL: "http://[64:ff9b:1::a9fe:a9fe]/"}, fault.Forbidden},     // NAT64, local prefix
		{remote.Config{URL: "http://[2002:a9fe:a9fe::1]/"}, fault.Forbidden},        // 6to4
		{remote.Config{URL: "http://[::169.254.169.254]/"}, fault.Forbidden},        // IPv4-compatible
		{remote.Config{URL: "http://[64:ff9b::192.168.1.2]/"}, ""},
		{remote.Config{URL: "http://Metadata.Google.Internal./"}, fault.Forbidden},
		{remote.Config{URL: "http://host/", Proxy: "socks5://x"}, fault.Invalid},
		{remote.Config{URL: "http://host/", Bearer: secret.New("a\nb")}, fault.Invalid},
		{remote.Config{URL: "http://host/", Headers: map[string]secret.String{"Host": secret.New("x")}}, fault.Invalid},
		{remote.Config{URL: "http://host/", Headers: map[string]secret.String{"mcp-session-id": secret.New("x")}}, fault.Invalid},
		{remote.Config{URL: "http://host/", Headers: map[string]secret.String{"A\r\nB": secret.New("x")}}, fault.Invalid},
		{remote.Config{URL: "http://host/", Headers: map[string]secret.String{"A": secret.New("x\r\nB: y")}}, fault.Invalid},
		{remote.Config{URL: "http://host/", Bearer: secret.New("a"), Headers: map[string]secret.String{"authorization": secret.New("x")}}, fault.Invalid},
	} {
		_, err := remote.New(quiet, tt.cfg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || fault.CodeOf(err) != tt.want) {
			t.Errorf("%+v: %v", tt.cfg, err)
		}
		if err != nil && strings.Contains(err.Error(), "p@") {
			t.Errorf("a secret in %v", err)
		}
	}
}

// TestMetadataByName refuses an address after its name was resolved. localhost
// stands in for a name that an attacker controls.
func TestMetadataByName(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	d := dialer(t, "http://localhost:"+u.Port()+"/", func(c *remote.Config) { c.Transport = backend.StreamableHTTP })
	if _, err := d.Dial(t.Context(), hello); fault.CodeOf(err) != fault.Upstream {
		t.Errorf("an ordinary address by name: %v", err)
	}
	for _, address := range []string{"169.254.169.254:80", "[::ffff:169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80", "169.254.42.42:80"} {
		if err := remote.RefuseMetadata(address); fault.CodeOf(err) != fault.Forbidden {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := remote.RefuseMetadata("192.168.1.2:80"); err != nil {
		t.Errorf("got %v", err)
	}
}
