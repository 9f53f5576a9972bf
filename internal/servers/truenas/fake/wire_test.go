package fake_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	p := dial(t, server(t, fake.Options{}), "/api/current")
	for _, c := range []struct {
		send string
		code int
		says string
		id   any
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"core.ping","params":[]}`, 0, `"result":"pong"`, 1.0},
		{`{"jsonrpc":"2.0","id":"a","method":"core.ping"}`, 0, `"result":"pong"`, "a"},
		{`{"jsonrpc":"2.0","method":"core.ping","params":[]}`, 0, `"result":"pong"`, nil}, // no notification: answered
		{`{"jsonrpc":`, -32700, "Expecting value", nil},
		{`[{"jsonrpc":"2.0","id":1,"method":"core.ping"}]`, -32700, "Batch messages are not supported", nil},
		{`"core.ping"`, -32700, "Invalid Message Format", nil},
		{`{"id":1,"method":"core.ping","params":[]}`, -32600, "'jsonrpc' is a required property", nil},
		{`{"jsonrpc":"1.0","id":1,"method":"core.ping"}`, -32600, "is not one of ['2.0']", nil},
		{`{"jsonrpc":"2.0","id":1,"params":[]}`, -32600, "'method' is a required property", nil},
		{`{"jsonrpc":"2.0","id":1,"method":"core.ping","params":{}}`, -32600, "is not of type 'array'", nil},
		{`{"jsonrpc":"2.0","id":true,"method":"core.ping"}`, -32600, "is not of type 'null', 'number', 'string'", nil},
		{`{"jsonrpc":"2.0","id":1,"method":"core.ping","msg":"method"}`, -32600, "Additional properties are not allowed", nil},
		{`{"jsonrpc":"2.0","id":2,"method":"core.pong","params":[]}`, -32601, "Method does not exist", 2.0},
		{`{"jsonrpc":"2.0","id":3,"method":"pool.query","params":[]}`, -32001, "[ENOTAUTHENTICATED] Not authenticated", 3.0},
		{`{"jsonrpc":"2.0","id":4,"method":"core.ping","params":[1]}`, -32602, "Too many arguments (expected 0, found 1)", 4.0},
	} {
		p.write(c.send)
		m := p.next()
		if m.code() != c.code || !strings.Contains(m.raw, c.says) || m.ID != c.id {
			t.Errorf("%s\nanswered %s, want %d, %q, id %v", c.send, m.raw, c.code, c.says, c.id)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{})
	ping := func(size int) string {
		frame := `{"jsonrpc":"2.0","id":"` + `","method":"core.ping","params":[]}`
		return strings.Replace(frame, `"id":"`, `"id":"`+strings.Repeat("é", size-len(frame)), 1)
	}
	for _, c := range []struct {
		name     string
		loggedIn bool
		send     string
		close    websocket.StatusCode
		reason   string
	}{
		{"just short enough before login, counted in characters", false, ping(8192), 0, ""},
		{"too long before login", false, ping(8193), 1007, "Anonymous connection max message length is 8 kB"},
		{"long after login", true, ping(65536), 0, ""},
		{"too long after login", true, ping(65537), 1009, "Max message length is 64 kB"},
		{"a file may be longer", true, strings.Replace(ping(65537), "core.ping", "filesystem.file_receive", 1), 0, ""},
	} {
		p := dial(t, s, "/api/current")
		if c.loggedIn {
			p.login(fake.AdminUser, fake.AdminKey)
		}
		p.write(c.send)
		_, err := p.read()
		if got := websocket.CloseStatus(err); c.close != 0 && got != c.close || c.close == 0 && err != nil {
			t.Errorf("%s: %v, want close %d", c.name, err, c.close)
		}
		if err != nil && !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v does not say %q", c.name, err, c.reason)
		}
	}
	p := admin(t, s)
	if err := p.ws.Write(t.Context(), websocket.MessageBinary, []byte(`{"jsonrpc":"2.0","id":1,"method":"core.ping"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.read(); websocket.CloseStatus(err) != websocket.StatusUnsupportedData {
		t.Errorf("binary frame: %v, want close 1003", err)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version  fake.Version
		versions []string
	}{
		{fake.V2504, []string{"v25.04.0", "v25.04.1", "v25.04.2"}},
		{fake.V2510, []string{"v25.04.0", "v25.04.1", "v25.04.2", "v25.10.0", "v25.10.1", "v25.10.2"}},
		{fake.V26, []string{"v25.04.0", "v25.04.1", "v25.04.2", "v25.10.0", "v25.10.1", "v25.10.2", "v26.0.0"}},
	} {
		s := server(t, fake.Options{Version: c.version})
		var got []string
		if status := get(t, s, "/api/versions", &got); status != 200 || !slices.Equal(got, c.versions) {
			t.Errorf("versions: %d %v, want %v", status, got, c.versions)
		}
		var boot string
		if status := get(t, s, "/api/boot_id", &boot); status != 200 || len(boot) != 36 {
			t.Errorf("boot id: %d %q", status, boot)
		}
		for path, want := range map[string]int{"/api/current": 400, "/api/v25.10.9": 404, "/websocket": 404, "/api/v2.0/pool": 404, "/": 404} {
			if status := get(t, s, path, nil); status != want {
				t.Errorf("%s: %d, want %d", path, status, want)
			}
		}
		for _, v := range c.versions {
			if p := dial(t, s, "/api/"+v); p.must("core.ping") != "pong" {
				t.Errorf("%s does not answer", v)
			}
		}
	}
	if p := dial(t, server(t, fake.Options{}), "/api/v25.10.4"); p.must("core.ping") != "pong" {
		t.Error("the alias does not answer")
	}
}

// get fetches JSON over HTTP/1.1.
func get(t *testing.T, s *fake.Server, path string, into any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Errorf("%s: %q is no JSON: %v", path, text, err)
		}
	}
	return resp.StatusCode
}

// TestHTTP2: the port speaks it if it is asked to, and then there is no WebSocket.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/api/versions", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(false).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("answered in %s", resp.Proto)
	}
	r.URL.Path = "/api/current"
	if resp, err = client(false).Do(r); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("where a WebSocket belongs: %s %d", resp.Proto, resp.StatusCode)
	}
}

// TestVersions: what a version does not announce does not exist there.
func TestVersions(t *testing.T) {
	t.Parallel()
	const gone = -32601
	table := map[string][3]bool{ // 25.04, 25.10, 26
		"zfs.snapshot.query": {true, false, false}, "pool.snapshot.query": {false, true, true}, "service.control": {false, true, true}, "service.start": {true, true, false},
		"update.check_available": {true, false, false}, "update.status": {false, true, true}, "update.run": {false, true, true}, "update.update": {true, false, false},
		"virt.instance.query": {true, true, false}, "container.query": {false, false, true}, "pool.query": {true, true, true}, "smart.test.results": {false, false, false},
	}
	for i, v := range []fake.Version{fake.V2504, fake.V2510, fake.V26} {
		p := admin(t, server(t, fake.Options{Version: v}))
		for method, has := range table {
			if got := p.call(method).code() != gone; got != has[i] {
				t.Errorf("%s in %s: %t, want %t", method, v.System(), got, has[i])
			}
		}
	}
	// An old API on a new system: its shapes, but nothing that is gone.
	p := dial(t, server(t, fake.Options{Version: fake.V26}), "/api/v25.10.2")
	p.login(fake.AdminUser, fake.AdminKey)
	if p.call("virt.instance.query").code() != gone || p.call("container.query").code() != gone {
		t.Error("the old API has what its system or its version has not")
	}
	pool := p.must("pool.query").([]any)[0].(map[string]any)
	if _, there := pool["is_upgraded"]; !there {
		t.Error("the old API does not answer in its own shapes")
	}
	if m := p.call("auth.login_ex", map[string]any{"mechanism": "SCRAM", "scram_type": "CLIENT_FIRST_MESSAGE", "rfc_str": "n,,n=a:1,r=x"}); m.code() != -32602 {
		t.Errorf("SCRAM in the old API: %s", m.raw)
	}
}
