package metadata_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/oauth/metadata"
	"drawbridge/internal/route"
)

var update = flag.Bool("update", false, "write golden files anew")

const base = "https://gate.example.com"

func routes(h *metadata.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range h.Routes() {
		pattern := r.Pattern
		if strings.HasSuffix(pattern, "/") {
			pattern += "{$}" // as httpd does
		}
		mux.Handle(pattern, r.Handler)
	}
	return mux
}

func get(t *testing.T, mux *http.ServeMux, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host = "evil.example.com" // never used
	r.Header.Set("X-Forwarded-Host", "evil.example.com")
	r.Header.Set("X-Forwarded-Proto", "http")
	mux.ServeHTTP(w, r)
	return w
}

// The documents are what clients were seen to need (R2, R18); a change of them is a
// change for every client.
func TestR18_documents(t *testing.T) {
	t.Parallel()
	mux := routes(&metadata.Handler{Base: func() string { return base }})
	for file, path := range map[string]string{
		"server.json":  "/.well-known/oauth-authorization-server",
		"mcp.json":     "/.well-known/oauth-protected-resource/mcp",
		"profile.json": "/.well-known/oauth-protected-resource/mcp/team-a",
	} {
		w := get(t, mux, path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, %v", path, w.Code, w.Header())
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		golden(t, filepath.Join("testdata", file), pretty.Bytes())
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-recorded +now); run go test ./internal/oauth/metadata -update if that is right:\n%s", file, diff)
	}
}

// The resource is the very URL that people type, in all places where a client may
// look for it (R1, R2).
func TestR2_resource(t *testing.T) {
	t.Parallel()
	issuer := base
	mux := routes(&metadata.Handler{Base: func() string { return issuer }, Docs: "https://docs.example.com/"})
	const root = "/.well-known/oauth-protected-resource"
	for path, want := range map[string]string{root: "/mcp", root + "/": "/mcp", root + "/mcp": "/mcp", root + "/mcp/": "/mcp", root + "/mcp/a": "/mcp/a", root + "/mcp/a/": "/mcp/a"} {
		var doc struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Scopes   []string `json:"scopes_supported"`
			Docs     string   `json:"resource_documentation"`
		}
		if err := json.Unmarshal(get(t, mux, path).Body.Bytes(), &doc); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if doc.Resource != base+want || !slices.Equal(doc.Servers, []string{base}) || doc.Docs != "https://docs.example.com/" {
			t.Errorf("%s: %+v", path, doc)
		}
		if slices.Contains(doc.Scopes, "offline_access") || slices.Contains(doc.Scopes, "admin") {
			t.Errorf("%s: scopes %v", path, doc.Scopes)
		}
	}
	issuer = "http://localhost:40123" // known once the port is
	for _, path := range []string{root, "/.well-known/oauth-authorization-server"} {
		if body := get(t, mux, path).Body.String(); !strings.Contains(body, `"http://localhost:40123`) || strings.Contains(body, "gate.example.com") {
			t.Errorf("%s: %s", path, body)
		}
	}
}

// What is switched off is not offered: clients try what they are offered first.
func TestR18_switchedOff(t *testing.T) {
	t.Parallel()
	mux := routes(&metadata.Handler{Base: func() string { return base }, NoRegistration: true, NoDocuments: true})
	var doc map[string]any
	if err := json.Unmarshal(get(t, mux, "/.well-known/oauth-authorization-server").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if _, offered := doc["registration_endpoint"]; offered || doc["client_id_metadata_document_supported"] != false {
		t.Errorf("%v", doc)
	}
}

// Everything else is 404 as JSON: clients parse it (R1).
func TestR1_unknown(t *testing.T) {
	t.Parallel()
	mux := routes(&metadata.Handler{Base: func() string { return base }})
	for _, path := range []string{
		"/.well-known/", "/.well-known/openid-configuration", "/.well-known/openid-configuration/mcp", "/.well-known/oauth-authorization-server/mcp",
		"/.well-known/oauth-authorization-server/", "/.well-known/oauth-protected-resource/other", "/.well-known/oauth-protected-resource/mcp/a/b",
		"/.well-known/oauth-protected-resource/mcp/Team", "/.well-known/oauth-protected-resource/mcp/-a", "/.well-known/oauth-protected-resource/mcp/a.b",
		"/.well-known/oauth-protected-resource/sse", "/.well-known/security.txt", "/.well-known/mcp.json", "/.well-known/a/b/c/d",
	} {
		w := get(t, mux, path)
		var body struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusNotFound || body.Error == "" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, %s", path, w.Code, w.Body)
		}
	}
}

// A stranger cannot tell which profiles exist: whichever name is asked for, the
// answer is the same but for the name. No list of profiles is even here to ask.
func TestT13_profiles(t *testing.T) {
	t.Parallel()
	mux := routes(&metadata.Handler{Base: func() string { return base }})
	one := get(t, mux, "/.well-known/oauth-protected-resource/mcp/alpha")
	two := get(t, mux, "/.well-known/oauth-protected-resource/mcp/omega")
	if one.Code != two.Code || strings.ReplaceAll(one.Body.String(), "alpha", "omega") != two.Body.String() || !cmp.Equal(one.Header(), two.Header()) {
		t.Errorf("%d %s, and %d %s", one.Code, one.Body, two.Code, two.Body)
	}
}

// Pages of any origin may read the documents, the 404 too: a page that may not read
// it takes it for a broken network (R4, C7).
func TestR4_routes(t *testing.T) {
	t.Parallel()
	for _, r := range (&metadata.Handler{Base: func() string { return base }}).Routes() {
		if r.Policy != route.Public || !r.AnyOrigin || !slices.Equal(r.Methods, []string{http.MethodGet, http.MethodHead}) || !strings.HasPrefix(r.Pattern, "/.well-known/") {
			t.Errorf("route %+v", r)
		}
	}
}
