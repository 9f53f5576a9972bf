package register_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/register"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

var flood = flag.Int("flood", 3000, "registrations of the flood")

const home = "203.0.113.7"

// keeper is a store that counts, and that can be down.
type keeper struct {
	mu      sync.Mutex // guards the rest
	clients []oauth.Client
	limit   int
	down    error
}

func (k *keeper) RegisterClient(_ context.Context, c oauth.Client, limit int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.limit = limit
	if k.down != nil {
		return k.down
	}
	k.clients = append(k.clients, c)
	return nil
}

// recorder keeps audit records.
type recorder struct {
	mu   sync.Mutex // guards rows
	rows []account.Record
}

func (r *recorder) Call(row account.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, row)
}

// desk is the endpoint with a clock that the test moves.
type desk struct {
	t     testing.TB
	mux   *http.ServeMux
	kept  *keeper
	audit *recorder
	log   *bytes.Buffer
	now   time.Time
}

func newDesk(t testing.TB, clients ...register.Clients) *desk {
	t.Helper()
	d := &desk{t: t, mux: http.NewServeMux(), kept: &keeper{}, audit: &recorder{}, log: &bytes.Buffer{}, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	deps := register.Deps{Clients: d.kept, Audit: d.audit, Now: func() time.Time { return d.now }}
	if len(clients) > 0 {
		deps.Clients = clients[0]
	}
	h, err := register.New(slog.New(slog.NewTextHandler(d.log, nil)), deps, register.Config{HTTPHosts: []string{"webui.lan"}})
	must(t, err)
	for _, r := range h.Routes() {
		d.mux.Handle(r.Methods[0]+" "+r.Pattern, r.Handler)
	}
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is what the endpoint said.
type answer struct {
	status  int
	header  http.Header
	body    string
	members map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.members[name].(string)
	return s
}

func (d *desk) post(body string) answer { return d.from(home, body) }

func (d *desk) from(addr, body string) answer {
	return d.send("/oauth/register", addr, http.Header{"Content-Type": {"application/json"}}, body)
}

func (d *desk) send(path, addr string, header http.Header, body string) answer {
	d.t.Helper()
	ctx := route.WithPeer(d.t.Context(), route.Peer{Addr: netip.MustParseAddr(addr), HTTPS: true})
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), body: w.Body.String()}
	decoder := json.NewDecoder(w.Body)
	decoder.UseNumber()
	must(d.t, decoder.Decode(&a.members))
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
		d.t.Errorf("headers %v", a.header)
	}
	return a
}

func (d *desk) wantError(a answer, status int, word string) {
	d.t.Helper()
	if a.status != status || a.text("error") != word || a.text("error_description") == "" {
		d.t.Errorf("status %d: %s; not %d %s", a.status, a.body, status, word)
	}
}

// plain is the body of a client with one redirect URI.
func plain(members ...string) string {
	return `{` + strings.Join(append([]string{`"redirect_uris":["https://app.example.com/cb"]`}, members...), ",") + `}`
}

// The answer has what the client said, in the right types, and no empty values (R8).
func TestR8_answer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.post(`{"client_name":"App & <Co>","redirect_uris":["https://app.example.com/cb","http://localhost:1/cb"],"grant_types":["authorization_code","refresh_token"],
		"response_types":["code"],"token_endpoint_auth_method":"none","scope":"mcp:read openid","application_type":"native","software_id":"x","software_version":"1",
		"client_uri":"https://app.example.com","logo_uri":"https://app.example.com/l.png","tos_uri":"","policy_uri":null,"contacts":["a@example.com"]}`)
	want := map[string]any{
		"client_id": a.text("client_id"), "client_id_issued_at": json.Number(fmt.Sprint(d.now.Unix())), "client_name": "App & <Co>",
		"redirect_uris": []any{"https://app.example.com/cb", "http://localhost:1/cb"}, "grant_types": []any{"authorization_code", "refresh_token"},
		"response_types": []any{"code"}, "token_endpoint_auth_method": "none", "scope": "mcp:read openid", "application_type": "native",
		"software_id": "x", "software_version": "1", "client_uri": "https://app.example.com", "logo_uri": "https://app.example.com/l.png", "contacts": []any{"a@example.com"},
	}
	if diff := cmp.Diff(want, a.members); a.status != http.StatusCreated || diff != "" {
		t.Errorf("status %d: %s", a.status, diff)
	}
	id := a.text("client_id")
	if !strings.HasPrefix(id, "dcr_") || !secret.WellFormed(oauth.PrefixClient, id) {
		t.Errorf("client_id %q", id)
	}
	c := d.kept.clients[0]
	if c.ID != id || c.Kind != oauth.Registered || c.HasSecret() || c.MayAdmin || c.MachineUser != "" || c.Source != home || !c.Created.Equal(d.now) || c.Metadata.Scope != "mcp:read openid" || d.kept.limit != 5000 {
		t.Errorf("kept %+v, at most %d", c, d.kept.limit)
	}
	wantRow := []account.Record{{Time: d.now, Client: id, Method: "oauth/register", Target: id, Decision: account.Allowed, Outcome: account.Succeeded}}
	if diff := cmp.Diff(wantRow, d.audit.rows); diff != "" {
		t.Error(diff)
	}
}

// The authentication method is the one that was asked for, or none; only the methods
// with a secret get one (R8, C8).
func TestR8_methods(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, member, method string
		secret               bool
	}{
		{"nothing asked", "", "none", false},
		{"null", `"token_endpoint_auth_method":null`, "none", false},
		{"none", `"token_endpoint_auth_method":"none"`, "none", false},
		{"post", `"token_endpoint_auth_method":"client_secret_post"`, "client_secret_post", true},
		{"basic", `"token_endpoint_auth_method":"client_secret_basic"`, "client_secret_basic", true},
		{"jwt", `"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, "private_key_jwt", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			body := plain()
			if c.member != "" {
				body = plain(c.member)
			}
			a := d.post(body)
			if a.status != http.StatusCreated || a.text("token_endpoint_auth_method") != c.method {
				t.Fatalf("status %d: %s", a.status, a.body)
			}
			kept, given := d.kept.clients[0], a.text("client_secret")
			_, expires := a.members["client_secret_expires_at"]
			if expires != c.secret || (given != "") != c.secret || kept.HasSecret() != c.secret {
				t.Errorf("%s; kept %+v", a.body, kept)
			}
			if c.secret && (a.members["client_secret_expires_at"] != json.Number("0") || !secret.WellFormed(oauth.PrefixSecret, given) || kept.SecretHash != secret.Hash(given)) {
				t.Errorf("%s; kept %+v", a.body, kept)
			}
			if kept.Metadata.AuthMethod != c.method {
				t.Errorf("kept %+v", kept)
			}
		})
	}
}

// Who names no scope is told which there are, and not taken at that word later (C8).
func TestR8_scope(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for body, want := range map[string]string{
		plain():                                    "mcp:read mcp:write mcp:destructive",
		plain(`"scope":""`):                        "mcp:read mcp:write mcp:destructive",
		plain(`"scope":null`):                      "mcp:read mcp:write mcp:destructive",
		plain(`"scope":"openid profile"`):          "openid profile",
		plain(`"scope":" mcp:read  mcp:write\t "`): "mcp:read mcp:write",
	} {
		if a := d.post(body); a.text("scope") != want {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	for _, c := range d.kept.clients {
		if strings.Contains(c.Metadata.Scope, "destructive") {
			t.Errorf("kept the scope %q that nobody asked for", c.Metadata.Scope)
		}
	}
}

// Members that nobody knows do no harm (R9), and names count as they are written.
func TestR9_unknownMembers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.post(plain(`"resource":"https://gate.example.com/mcp"`, `"x":{"deep":[1,{"y":null}]}`, `"software_statement":"e30.e30.x"`, `"client_name#de":"Programm"`,
		`"CLIENT_NAME":"Shout"`, `"Redirect_URIs":["https://evil.example.com/"]`, `"client_id":"mine"`, `"client_secret":"mine"`, `"client_id_issued_at":"x"`))
	if a.status != http.StatusCreated || a.members["client_name"] != nil || strings.Contains(a.body, "evil") || strings.Contains(a.body, "mine") || a.members["resource"] != nil {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	if a := d.post(plain(`"token_endpoint_auth_method":"private_key_jwt"`, `"jwks_uri":"https://app.example.com/keys"`, `"jwks":null`)); a.status != http.StatusCreated {
		t.Errorf("null is taken for a key set: status %d: %s", a.status, a.body)
	}
	if a := d.post(`{"redirect\u005furis":["https://app.example.com/cb"]}`); a.status != http.StatusCreated {
		t.Errorf("a name with an escape: status %d: %s", a.status, a.body)
	}
}

// Dangerous redirects are refused, and one of them is enough (A3).
func TestA3_redirects(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, uri := range []string{
		"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "blob:https://x.example/1", "http://public.example.com/cb", "https:///cb",
		"https://*.example.com/cb", "https://u@x.example/cb", "https://x.example/cb#f", "https://x.example/../cb", "http://other.lan/cb", "", "https://x.example/" + strings.Repeat("a", 2048),
	} {
		body, _ := json.Marshal(map[string]any{"redirect_uris": []string{"https://app.example.com/cb", uri}})
		d.wantError(d.post(string(body)), http.StatusBadRequest, "invalid_redirect_uri")
	}
	for _, body := range []string{`{}`, `{"redirect_uris":[]}`, `{"redirect_uris":null}`, `{"redirect_uris":[null]}`,
		`{"redirect_uris":[` + strings.Repeat(`"https://app.example.com/cb",`, 10) + `"https://app.example.com/cb"]}`} {
		d.wantError(d.post(body), http.StatusBadRequest, "invalid_redirect_uri")
	}
	for _, uri := range []string{"cursor://anysphere.cursor-mcp/oauth/callback", "http://webui.lan/oauth/clients/mcp:x/callback"} {
		body, _ := json.Marshal(map[string]any{"redirect_uris": []string{uri}})
		if a := d.post(string(body)); a.status != http.StatusCreated {
			t.Errorf("%s: status %d: %s", uri, a.status, a.body)
		}
	}
	if len(d.kept.clients) != 2 {
		t.Errorf("%d clients kept", len(d.kept.clients))
	}
}

// What is no registration is refused and leaves nothing behind, with no share of the
// network's number used up.
func TestRegister_refuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 3 {
		for body, word := range map[string]string{
			``: "invalid_client_metadata", `null`: "invalid_client_metadata", `[]`: "invalid_client_metadata", `"x"`: "invalid_client_metadata", `{`: "invalid_client_metadata",
			plain() + plain(): "invalid_client_metadata",
			plain(`"redirect_uris":["https://evil.example.com/cb"]`):                                              "invalid_client_metadata", // twice
			plain(`"client_name":"a"`, `"client\u005fname":"b"`):                                                  "invalid_client_metadata",
			`{"redirect_uris":"https://app.example.com/cb"}`:                                                      "invalid_client_metadata",
			`{"redirect_uris":[1]}`:                                                                               "invalid_client_metadata",
			plain(`"client_name":1`):                                                                              "invalid_client_metadata",
			plain(`"scope":["a"]`):                                                                                "invalid_client_metadata",
			plain(`"client_name":"\ud800"`):                                                                       "invalid_client_metadata",
			"{\"redirect_uris\":[\"https://app.example.com/cb\"],\"client_name\":\"\xff\"}":                       "invalid_client_metadata",
			plain(`"grant_types":["client_credentials"]`):                                                         "invalid_client_metadata",
			plain(`"grant_types":["authorization_code","client_credentials"]`):                                    "invalid_client_metadata",
			plain(`"grant_types":["refresh_token"]`):                                                              "invalid_client_metadata",
			plain(`"grant_types":["implicit"]`):                                                                   "invalid_client_metadata",
			plain(`"response_types":["token"]`):                                                                   "invalid_client_metadata",
			plain(`"token_endpoint_auth_method":"tls_client_auth"`):                                               "invalid_client_metadata",
			plain(`"token_endpoint_auth_method":"private_key_jwt"`):                                               "invalid_client_metadata",
			plain(`"token_endpoint_auth_method":"private_key_jwt"`, `"jwks":[]`):                                  "invalid_client_metadata",
			plain(`"token_endpoint_auth_method":"private_key_jwt"`, `"jwks":{"keys":[{"kty":"oct","k":"eA"}]}`):   "invalid_client_metadata",
			plain(`"x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70)):                                     "invalid_client_metadata",
			plain(`"client_name":"` + strings.Repeat("x", 3000) + `"`):                                            "invalid_client_metadata",
			plain(`"token_endpoint_auth_method":"private_key_jwt"`, `"jwks_uri":"http://169.254.169.254/latest"`): "invalid_client_metadata",
		} {
			d.wantError(d.post(body), http.StatusBadRequest, word)
		}
	}
	json := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	large := plain(`"x":"` + strings.Repeat("x", 16<<10) + `"`)
	d.wantError(d.send("/register", home, json, large), http.StatusRequestEntityTooLarge, "invalid_client_metadata")
	d.wantError(d.send("/register", home, http.Header{"Content-Type": {"text/plain"}}, plain()), http.StatusBadRequest, "invalid_client_metadata")
	d.wantError(d.send("/register", home, http.Header{}, plain()), http.StatusBadRequest, "invalid_client_metadata")
	d.wantError(d.send("/register", home, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "redirect_uris=x"), http.StatusBadRequest, "invalid_client_metadata")
	d.wantError(d.send("/register", home, http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, plain()), http.StatusUnsupportedMediaType, "invalid_client_metadata")
	if len(d.kept.clients)+len(d.audit.rows) > 0 {
		t.Errorf("kept %d clients, %d records", len(d.kept.clients), len(d.audit.rows))
	}
	if a := d.send("/register", home, json, plain()); a.status != http.StatusCreated {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}

// A network may register only so many, and all of them only so many; claude.ai has a
// share of its own (A15, C1).
func TestA15_limits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	try := func(addr string, n int) (refused int) {
		for range n {
			a := d.from(addr, plain())
			if a.status == http.StatusTooManyRequests {
				refused++
				if a.header.Get("Retry-After") == "" || a.text("error") != "temporarily_unavailable" {
					t.Errorf("%v %s", a.header, a.body)
				}
			}
		}
		return refused
	}
	if n := try("198.51.100.1", 25); n != 5 {
		t.Errorf("%d of 25 refused", n)
	}
	if n := try("2001:db8:0:1::1", 10) + try("2001:db8:0:1::2", 11); n != 1 {
		t.Errorf("%d of 21 in one /64 refused", n)
	}
	if n := try("2001:db8:0:2::1", 20); n != 0 {
		t.Error("a neighbour is refused")
	}
	for i := range 12 {
		try(fmt.Sprintf("198.51.100.%d", 100+i), 20)
	}
	if n := try("198.51.100.200", 1); n != 1 {
		t.Error("there is no limit for all together")
	}
	if n := try("160.79.104.1", 100) + try("160.79.111.254", 100); n != 0 {
		t.Errorf("%d of claude.ai's refused", n)
	}
	d.now = d.now.Add(10 * time.Minute)
	if n := try("198.51.100.200", 1); n != 0 {
		t.Error("still refused after ten minutes")
	}
	d.now = d.now.Add(time.Hour)
	if n := try("198.51.100.1", 20); n != 0 {
		t.Errorf("%d refused after an hour", n)
	}
}

// One who has a /48 keeps nobody else from registering, however many networks are in it.
func TestA15_site(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 16 {
		for range 20 {
			d.from(fmt.Sprintf("2001:db8:7:%x::1", i), plain())
		}
	}
	if n := len(d.kept.clients); n != 40 {
		t.Errorf("one /48 has registered %d clients", n)
	}
	if a := d.post(plain()); a.status != http.StatusCreated {
		t.Errorf("somebody else: status %d: %s", a.status, a.body)
	}
	d.wantError(d.from("2001:db8:7:ffff::1", plain()), http.StatusTooManyRequests, "temporarily_unavailable")
}

// What is kept of a client is bounded as a whole, too.
func TestA15_length(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	uris := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"https://app.example.com/%d%s"`, i, strings.Repeat("x", 1500)))
		}
		return `{"redirect_uris":[` + strings.Join(list, ",") + `]}`
	}
	key := `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","x5c":["` + strings.Repeat("A", 1600) + `"]}`
	jwks := func(n int) string {
		return plain(`"token_endpoint_auth_method":"private_key_jwt"`, `"jwks":{"keys":[`+strings.Repeat(key+",", n-1)+key+`]}`)
	}
	for name, body := range map[string]string{
		"redirects": uris(6), "keys": jwks(5), "contacts": plain(`"contacts":["` + strings.Repeat("x", 9000) + `"]`),
		"what JSON makes longer": plain(`"client_name":"` + strings.Repeat("<", 1500) + `"`),
	} {
		if d.wantError(d.post(body), http.StatusBadRequest, "invalid_client_metadata"); len(d.kept.clients) > 0 {
			t.Fatalf("%s: kept", name)
		}
	}
	for name, body := range map[string]string{"redirects": uris(5), "keys": jwks(4), "what is not kept": plain(`"x":"` + strings.Repeat("x", 12000) + `"`)} {
		if a := d.post(body); a.status != http.StatusCreated {
			t.Errorf("%s: status %d: %s", name, a.status, a.body)
		}
	}
}

// A flood from many networks leaves little behind, and claude.ai gets through (A15).
// With -flood 100000 it is the one of the security reference.
func TestA15_flood(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.Open(t, store.Config{StateDir: dir})
	before := sizeOf(t, dir)
	d := newDesk(t, s)
	long := strings.Repeat("x", 1950) // four of them are about as much as is kept
	body := fmt.Sprintf(`{"client_name":%q,"redirect_uris":["https://a.example/%[1]s","https://b.example/%[1]s","https://c.example/%[1]s"]}`, long)
	for i := range *flood {
		d.from(fmt.Sprintf("2001:db8:%x:%x::1", i%0x8000, i/0x8000), body)
		d.now = d.now.Add(10 * time.Minute / time.Duration(*flood))
	}
	if a := d.from("160.79.104.9", plain()); a.status != http.StatusCreated {
		t.Errorf("claude.ai: status %d: %s", a.status, a.body)
	}
	kept, err := s.Clients(t.Context())
	must(t, err)
	grown := sizeOf(t, dir) - before
	t.Logf("%d registrations leave %d clients and %d bytes", *flood, len(kept), grown)
	if len(kept) < 300 || len(kept) > 360 || len(d.audit.rows) != len(kept) || grown > 10<<20 {
		t.Errorf("%d registrations leave %d clients, %d records and %d bytes", *flood, len(kept), len(d.audit.rows), grown)
	}
	if d.log.Len() > 0 {
		t.Errorf("the log has %d bytes", d.log.Len())
	}
}

// sizeOf is how much the files of a folder take.
func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	}))
	return size
}

// A store that is down, or full, is said so, and the client gets nothing.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		err    error
		status int
	}{
		{"down", fault.New(fault.Unavailable, "The database does not answer. Try again in a moment."), http.StatusServiceUnavailable},
		{"full", fault.New(fault.Limited, "There are too many clients. Try again later."), http.StatusTooManyRequests},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.kept.down = fmt.Errorf("register client: %w", c.err)
			a := d.post(plain(`"token_endpoint_auth_method":"client_secret_post"`))
			d.wantError(a, c.status, "temporarily_unavailable")
			if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "client_secret\"") || len(d.audit.rows) > 0 {
				t.Errorf("%v %s, %d records", a.header, a.body, len(d.audit.rows))
			}
		})
	}
}

// The real store keeps a client as it was answered.
func TestR12_stored(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t)
	d := newDesk(t, s)
	d.now = time.Now().Truncate(time.Millisecond).UTC()
	a := d.post(plain(`"token_endpoint_auth_method":"client_secret_post"`, `"client_name":"App"`))
	got, err := s.Client(t.Context(), a.text("client_id"))
	must(t, err)
	want := oauth.Client{ID: a.text("client_id"), Kind: oauth.Registered, SecretHash: secret.Hash(a.text("client_secret")), Created: d.now, Source: home,
		Metadata: oauth.Metadata{Name: "App", RedirectURIs: []string{"https://app.example.com/cb"}, AuthMethod: "client_secret_post", GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestR19_routes(t *testing.T) {
	t.Parallel()
	h, err := register.New(slog.New(slog.DiscardHandler), register.Deps{Clients: &keeper{}, Audit: &recorder{}, Now: time.Now}, register.Config{})
	must(t, err)
	var patterns []string
	for _, r := range h.Routes() {
		patterns = append(patterns, r.Pattern)
		if !slices.Equal(r.Methods, []string{http.MethodPost}) || !r.AnyOrigin || r.Policy != route.Public {
			t.Errorf("route %+v", r)
		}
	}
	if !slices.Equal(patterns, []string{"/oauth/register", "/register"}) {
		t.Errorf("routes %v", patterns)
	}
	if _, err := register.New(slog.New(slog.DiscardHandler), register.Deps{Clients: &keeper{}, Now: time.Now}, register.Config{}); err == nil {
		t.Error("made without an audit log")
	}
}

// FuzzRegistration: whatever is posted, the answer is a client or an error of RFC
// 7591, and a client has no empty values.
func FuzzRegistration(f *testing.F) {
	f.Add(plain(`"client_name":"x"`, `"scope":"mcp:read"`))
	f.Add(plain(`"token_endpoint_auth_method":"private_key_jwt"`, `"jwks":{"keys":[{"kty":"RSA","n":"x","e":"AQAB"}]}`))
	f.Add(`{"redirect_uris":["http://localhost/cb"],"grant_types":["refresh_token","authorization_code"],"contacts":[null,""],"logo_uri":null}`)
	f.Add(`{"redirect_uris":[null],"REDIRECT_URIS":["https://x/"]}`)
	f.Fuzz(func(t *testing.T, body string) {
		d := newDesk(t)
		a := d.post(body)
		if a.status != http.StatusCreated {
			if a.status != http.StatusBadRequest && a.status != http.StatusRequestEntityTooLarge || !strings.HasPrefix(a.text("error"), "invalid_") || len(d.kept.clients) > 0 {
				t.Fatalf("%q: status %d: %s", body, a.status, a.body)
			}
			return
		}
		for name, value := range a.members {
			if value == nil || value == "" {
				t.Fatalf("%q: %s is empty in %s", body, name, a.body)
			}
		}
		for _, uri := range d.kept.clients[0].Metadata.RedirectURIs {
			if oauth.CheckRedirect(uri, []string{"webui.lan"}) != nil {
				t.Fatalf("%q: may redirect to %q", body, uri)
			}
		}
	})
}
