package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
)

// Only S256 is taken, and only of a real SHA-256 (A4).
func TestA4_CheckChallenge(t *testing.T) {
	t.Parallel()
	good := challengeOf(verifier)
	for _, c := range []struct {
		challenge, method string
		want              bool
	}{
		{good, "S256", true},
		{"", "S256", false},
		{"", "", false},
		{good, "", false}, // which would mean plain
		{good, "plain", false},
		{good, "s256", false},
		{good, "S512", false},
		{verifier, "plain", false},
		{good + "=", "S256", false},
		{good[:42], "S256", false},
		{good + "A", "S256", false},
		{good[:42] + "B", "S256", false}, // bits that no encoder sets
		{strings.Replace(good, good[:1], "+", 1), "S256", false},
		{good[:20] + "\n" + good[20:], "S256", false},
	} {
		e := oauth.CheckChallenge(c.challenge, c.method)
		if (e == nil) != c.want || e != nil && e.Word != "invalid_request" {
			t.Errorf("challenge %q with %q: %v", c.challenge, c.method, e)
		}
	}
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// A verifier has 43 to 128 characters of a small set and has to fit (A4; RFC 7636,
// 4.1 and appendix B).
func TestA4_Verify(t *testing.T) {
	t.Parallel()
	long, short, odd := strings.Repeat("a", 129), strings.Repeat("a", 42), strings.Repeat("a", 42)+"+"
	for _, c := range []struct {
		challenge, verifier string
		want                bool
	}{
		{"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", verifier, true},
		{challengeOf(strings.Repeat("~", 128)), strings.Repeat("~", 128), true},
		{challengeOf(verifier), "", false},
		{challengeOf(""), "", false},
		{"", "", false},
		{"", verifier, false}, // a verifier where no challenge was
		{verifier, verifier, false},
		{challengeOf(verifier), strings.Repeat("b", 43), false},
		{challengeOf(long), long, false},
		{challengeOf(short), short, false},
		{challengeOf(odd), odd, false},
		{challengeOf(verifier) + "=", verifier, false},
	} {
		if got := oauth.Verify(c.challenge, c.verifier); got != c.want {
			t.Errorf("challenge %q, verifier %q: %v", c.challenge, c.verifier, got)
		}
	}
}

// Which of our resources is meant, and that another server's is none (A12, R20).
func TestA12_Resource(t *testing.T) {
	t.Parallel()
	const public, home = "https://gate.example.com", "http://localhost:4444"
	for _, c := range []struct {
		base  string
		asked []string
		want  string // "": refused
	}{
		{public, nil, "/mcp"},
		{public, []string{""}, "/mcp"},
		{public, []string{"https://gate.example.com/mcp"}, "/mcp"},
		{public, []string{"https://gate.example.com/mcp/"}, "/mcp"},
		{public, []string{"https://gate.example.com"}, "/mcp"},
		{public, []string{"https://gate.example.com/"}, "/mcp"},
		{public, []string{"https://gate.example.com:443/mcp"}, "/mcp"},
		{public, []string{"HTTPS://Gate.Example.com/mcp"}, "/mcp"},
		{public, []string{"https://gate.example.com/mcp/team-a"}, "/mcp/team-a"},
		{public, []string{"https://gate.example.com/mcp/team-a/"}, "/mcp/team-a"},
		{public, []string{"https://gate.example.com/mcp", "https://gate.example.com/mcp/"}, "/mcp"},
		{home, []string{"http://localhost:4444/mcp"}, "/mcp"},
		{home, []string{"http://127.0.0.1:4444/mcp"}, "/mcp"},
		{home, []string{"http://[::1]:4444/mcp"}, "/mcp"},

		{public, []string{"https://other.example.com/mcp"}, ""},
		{public, []string{"https://gate.example.com.evil.com/mcp"}, ""},
		{public, []string{"https://evil.com/https://gate.example.com/mcp"}, ""},
		{public, []string{"https://gate.example.com@evil.com/mcp"}, ""},
		{public, []string{"https://user@gate.example.com/mcp"}, ""},
		{public, []string{"http://gate.example.com/mcp"}, ""},
		{public, []string{"https://gate.example.com:8443/mcp"}, ""},
		{public, []string{"https://gate.example.com/admin"}, ""},
		{public, []string{"https://gate.example.com/mcpx"}, ""},
		{public, []string{"https://gate.example.com/MCP"}, ""},
		{public, []string{"https://gate.example.com//mcp"}, ""},
		{public, []string{"https://gate.example.com/mcp//"}, ""},
		{public, []string{"https://gate.example.com/mcp/Team"}, ""},
		{public, []string{"https://gate.example.com/mcp/a/b"}, ""},
		{public, []string{"https://gate.example.com/mcp/../admin"}, ""},
		{public, []string{"https://gate.example.com/%6dcp"}, ""},
		{public, []string{"https://gate.example.com/mcp#"}, ""},
		{public, []string{"https://gate.example.com/mcp#x"}, ""},
		{public, []string{"gate.example.com/mcp"}, ""},
		{public, []string{"/mcp"}, ""},
		{public, []string{"mcp"}, ""},
		{public, []string{"https:gate.example.com/mcp"}, ""},
		{public, []string{"https://gate.example.com/mcp", "https://other.example.com/mcp"}, ""},
		{public, []string{"https://gate.example.com/mcp", "https://gate.example.com/mcp/team-a"}, ""},
		{public, []string{"%"}, ""},
		{home, []string{"http://localhost:4445/mcp"}, ""},
		{home, []string{"http://localhost/mcp"}, ""},
		{home, []string{"https://localhost:4444/mcp"}, ""},
		{public, []string{"https://localhost/mcp"}, ""},
	} {
		got, e := oauth.Resource(c.base, c.asked)
		if c.want == "" {
			if e == nil || e.Word != "invalid_target" {
				t.Errorf("%q of %s: %q, %v", c.asked, c.base, got, e)
			}
			continue
		}
		if e != nil || got != c.want {
			t.Errorf("%q of %s: %q, %v, not %s", c.asked, c.base, got, e, c.want)
		}
	}
	for path, want := range map[string]string{"/mcp": "", "/mcp/team-a": "team-a", "/other": ""} {
		if got := oauth.ProfileOf(path); got != want {
			t.Errorf("profile of %s: %q", path, got)
		}
	}
}

// Each parameter once, whatever it is; unknown ones do no harm (A19).
func TestA19_ParseParams(t *testing.T) {
	t.Parallel()
	p, e := oauth.ParseParams("client_id=a%20b&state=&x=1&resource=https%3A%2F%2Fa&resource=&resource=b&utf=%C3%A9")
	if e != nil {
		t.Fatal(e)
	}
	if p.Get("client_id") != "a b" || p.Has("state") || p.Get("state") != "" || !p.Has("x") || p.Has("y") || p.Get("utf") != "é" {
		t.Errorf("read as %+v", p)
	}
	if diff := cmp.Diff([]string{"https://a", "b"}, p.All("resource")); diff != "" {
		t.Error(diff)
	}
	if p := (oauth.Params{}); p.Get("x") != "" || p.Has("x") || len(p.All("x")) > 0 {
		t.Error("no parameters are some")
	}
	for _, raw := range []string{
		"client_id=a&client_id=b", "client_id=a&client_id=a", "client_id=&client_id=a", "x=1&x=2", "code=1&%63ode=2", "scope=a&scope=",
		"a=%zz", "a=%", "a=1;b=2", "a=%ff", "%ff=a", "a=\xff", strings.Repeat("resource=a&", 9), manyParams(65),
	} {
		if _, e := oauth.ParseParams(raw); e == nil || e.Word != "invalid_request" {
			t.Errorf("%.60q: %v", raw, e)
		}
	}
	if _, e := oauth.ParseParams(manyParams(64)); e != nil {
		t.Error(e)
	}
}

func manyParams(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d=1&", i)
	}
	return strings.TrimSuffix(b.String(), "&")
}

// A body is a form of bounded size, and the query does not count (A13, A19).
func TestA19_ReadForm(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, kind, encoding, query, body string
		status                            int // 0: taken
	}{
		{name: "form", kind: form, body: "code=x"},
		{name: "form with charset", kind: form + "; charset=UTF-8", body: "code=x"},
		{name: "JSON", kind: "application/json", body: `{"code":"x"}`, status: http.StatusBadRequest},
		{name: "no type", body: "code=x", status: http.StatusBadRequest},
		{name: "multipart", kind: "multipart/form-data; boundary=x", body: "--x--", status: http.StatusBadRequest},
		{name: "gzip", kind: form, encoding: "gzip", body: "code=x", status: http.StatusUnsupportedMediaType},
		{name: "identity", kind: form, encoding: "identity", body: "code=x", status: http.StatusUnsupportedMediaType},
		{name: "too large", kind: form, body: "code=" + strings.Repeat("x", 64<<10), status: http.StatusRequestEntityTooLarge},
		{name: "twice", kind: form, body: "code=x&code=x", status: http.StatusBadRequest},
		{name: "also in the query", kind: form, query: "?code=y&verifier=z", body: "code=x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth/token"+c.query, strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.kind)
			if c.encoding != "" {
				r.Header.Set("Content-Encoding", c.encoding)
			}
			w := httptest.NewRecorder()
			p, e := oauth.ReadForm(w, r)
			if c.status == 0 {
				if e != nil || p.Get("code") != "x" || p.Has("verifier") {
					t.Errorf("%+v, %v", p, e)
				}
				return
			}
			if e == nil || e.Word != "invalid_request" {
				t.Fatalf("%+v, %v", p, e)
			}
			if oauth.WriteError(w, r, e); w.Code != c.status {
				t.Errorf("status %d, not %d", w.Code, c.status)
			}
		})
	}
}

// What is asked for out of habit is dropped, not refused (R16).
func TestR16_Known(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{
		"":                                     "",
		"openid profile email offline_access":  "offline_access",
		"mcp:write mcp:read mcp:write":         "mcp:read mcp:write",
		" mcp:read\tadmin ":                    "mcp:read admin",
		"mcp:readx MCP:READ mcp:read,admin":    "",
		strings.Join(oauth.Scopes(), " ") + "": "mcp:read mcp:write mcp:destructive admin offline_access",
	} {
		if got := oauth.Known(asked); got != want {
			t.Errorf("%q: %q, not %q", asked, got, want)
		}
	}
}

// A scope narrows rights and never adds any; each state has its short form.
func TestR16_Narrow(t *testing.T) {
	t.Parallel()
	full := account.FullRights()
	for _, c := range []struct {
		rights account.Rights
		role   account.Role
		scope  string
		want   string
	}{
		{full, account.RoleAdmin, "", "mcp:read mcp:write mcp:destructive admin"},
		{full, account.RoleMember, "", "mcp:read mcp:write mcp:destructive"},
		{account.ReadRights(), account.RoleMember, "", "mcp:read"},
		{full, account.RoleAdmin, "mcp:read", "mcp:read"},
		{full, account.RoleAdmin, "mcp:write", "mcp:read mcp:write"},
		{full, account.RoleAdmin, "mcp:destructive", "mcp:read mcp:destructive"},
		{full, account.RoleAdmin, "admin", "mcp:read admin"},
		{full, account.RoleAdmin, "nonsense", "mcp:read"},
		{account.ReadRights(), account.RoleMember, "mcp:read mcp:write mcp:destructive admin", "mcp:read"},
	} {
		rights, role := oauth.Narrow(c.rights, c.role, c.scope)
		if got := oauth.ScopeOf(rights, role); got != c.want {
			t.Errorf("%q of %v, %s: %q, not %q", c.scope, c.rights, c.role, got, c.want)
		}
		if !rights.Within(c.rights) || role.Cap(c.role) != role {
			t.Errorf("%q adds to %v, %s: %v, %s", c.scope, c.rights, c.role, rights, role)
		}
	}
	if len(full.Destructive) != 1 || !full.Write {
		t.Error("narrowing has changed its input")
	}
}

// Whatever goes wrong has a word, a status and a way out, and nothing of the cause
// shows (R10, R15).
func TestR10_WriteError(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.9: password=hunter2")
	for _, c := range []struct {
		name   string
		err    error
		basic  bool
		status int
		word   string
		header http.Header
	}{
		{name: "dead grant", err: oauth.Errorf("invalid_grant", "x"), status: 400, word: "invalid_grant"},
		{name: "unknown client", err: oauth.Errorf("invalid_client", "x"), status: 401, word: "invalid_client"},
		{name: "unknown client with Basic", err: oauth.Errorf("invalid_client", "x"), basic: true, status: 401, word: "invalid_client",
			header: http.Header{"Www-Authenticate": {`Basic realm="drawbridge"`}}},
		{name: "store down", err: fault.Wrap(cause, fault.Unavailable, "Try again."), status: 503, word: "temporarily_unavailable", header: http.Header{"Retry-After": {"5"}}},
		{name: "too slow", err: fault.Wrap(cause, fault.Timeout, "Try again."), status: 503, word: "temporarily_unavailable", header: http.Header{"Retry-After": {"5"}}},
		{name: "too much", err: fault.New(fault.Limited, "Wait."), status: 429, word: "temporarily_unavailable", header: http.Header{"Retry-After": {"60"}}},
		{name: "own wait", err: &oauth.Error{Word: "temporarily_unavailable", Status: 429, After: 1500 * time.Millisecond}, status: 429, word: "temporarily_unavailable", header: http.Header{"Retry-After": {"2"}}},
		{name: "bad input", err: fault.New(fault.Invalid, "x"), status: 400, word: "invalid_request"},
		{name: "not known", err: fault.New(fault.Unauthenticated, "x"), status: 401, word: "invalid_client"},
		{name: "not allowed", err: fault.New(fault.Forbidden, "x"), status: 403, word: "access_denied"},
		{name: "ours", err: cause, status: 500, word: "server_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			if c.basic {
				r.Header.Set("Authorization", "Basic eDp5")
			}
			w := httptest.NewRecorder()
			oauth.WriteError(w, r, oauth.FromFault(c.err))
			var body struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error != c.word || w.Code != c.status {
				t.Errorf("status %d, %s", w.Code, w.Body)
			}
			if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", w.Header())
			}
			for _, name := range []string{"Www-Authenticate", "Retry-After"} {
				if diff := cmp.Diff(c.header[name], w.Header()[name]); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
			if strings.Contains(w.Body.String(), "hunter2") || strings.Contains(w.Body.String(), "10.0.0.9") {
				t.Errorf("the cause shows: %s", w.Body)
			}
		})
	}
}
