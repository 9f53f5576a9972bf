package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/admin"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// rows keeps what was recorded.
type rows struct {
	mu   sync.Mutex
	list []account.Record
}

func (r *rows) Call(one account.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, one)
}

// said are the records as text, and forgets them.
func (r *rows) said() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.list {
		out = append(out, fmt.Sprintf("%s %s %s %s by %s", one.Method, one.Target, one.Decision, one.Outcome, one.User))
	}
	r.list = nil
	return out
}

// cheapHash is a password hash that takes no time.
func cheapHash(_ context.Context, p secret.String) (string, error) {
	return "hash of " + p.Reveal(), nil
}

// house is the API on a real store, with the users boss and deputy, who are admins,
// and anna, who is a member.
type house struct {
	t     *testing.T
	store *store.Store
	rows  *rows
	log   *bytes.Buffer
	mux   *http.ServeMux
	check *checker
	admin *admin.API
}

func open(t *testing.T) *house {
	t.Helper()
	s := storetest.SQLite(t)
	for _, u := range []account.User{
		{ID: "boss", Name: "Boss", Role: account.RoleAdmin, PasswordHash: "hash"},
		{ID: "deputy", Name: "Deputy", Role: account.RoleAdmin, PasswordHash: "hash"},
		{ID: "anna", Name: "Anna", Role: account.RoleMember},
	} {
		if err := s.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	h := &house{t: t, store: s, rows: &rows{}, log: &bytes.Buffer{}, mux: http.NewServeMux()}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	d, err := desk.New(log, desk.Deps{Users: s, Keys: s, Clients: s, Grants: s, Profiles: s, Credentials: s, Own: own, Audit: h.rows, Hash: cheapHash})
	if err != nil {
		t.Fatal(err)
	}
	if h.admin, err = admin.New(log, d, s, "test"); err != nil {
		t.Fatal(err)
	}
	for _, r := range h.admin.Routes() {
		h.mux.Handle(r.Pattern, r.Handler)
	}
	h.check = newChecker(t, h.admin)
	return h
}

var (
	boss   = account.Principal{User: "boss", Credential: "key_boss", Role: account.RoleAdmin}
	member = account.Principal{User: "anna", Credential: "key_anna", Role: account.RoleMember}
)

// reply is an answer.
type reply struct {
	status int
	body   string
	header http.Header
}

// is tells a status, and says the body if it is another one.
func (a reply) is(t *testing.T, status int) reply {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// says tells that the body has a text.
func (a reply) says(t *testing.T, text string) reply {
	t.Helper()
	if !strings.Contains(a.body, text) {
		t.Errorf("%s\nlacks %q", a.body, text)
	}
	return a
}

// member is a member of the body, such as "user.id".
func (a reply) member(t *testing.T, path string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	s, _ := v.(string)
	return s
}

// as sends a request as somebody. Every answer is held against the document.
func (h *house) as(p account.Principal, method, target, body string) reply {
	h.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return h.send(p, r, body)
}

func (h *house) send(p account.Principal, r *http.Request, body string) reply {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r.WithContext(account.WithPrincipal(r.Context(), p)))
	a := reply{w.Code, w.Body.String(), w.Header()}
	h.check.exchange(r, body, a)
	return a
}

// ask is as for the boss.
func (h *house) ask(method, target, body string) reply {
	h.t.Helper()
	return h.as(boss, method, target, body)
}

// T3 and A21: whatever a route's policy lets through, nobody but an admin gets
// anything out of the API or changes anything with it.
func TestAPI_onlyAdmins(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, p := range []account.Principal{member, {}, {User: "x", Role: "root"}} {
		for _, r := range h.admin.Routes() {
			if r.Pattern == "/openapi.json" { // it is the same for every installation
				continue
			}
			for _, method := range r.Methods {
				target := strings.NewReplacer("{id}", "deputy", "{name}", "p").Replace(r.Pattern)
				a := h.as(p, method, target, bodyFor(method, r.Pattern))
				if a.status != http.StatusForbidden {
					t.Errorf("%s %s as %q: %d %s", method, target, p.User, a.status, a.body)
				}
			}
		}
	}
	for _, said := range h.rows.said() {
		if !strings.Contains(said, " denied error ") {
			t.Errorf("recorded: %s", said)
		}
	}
	users, err := h.store.Users(t.Context())
	keys, kerr := h.store.Keys(t.Context())
	if err != nil || kerr != nil || len(users) != 3 || len(keys) != 0 {
		t.Errorf("%d users, %d keys, %v, %v", len(users), len(keys), err, kerr)
	}
}

// bodyFor is a body that fits an operation.
func bodyFor(method, pattern string) string {
	return map[string]string{
		"POST /users":                    `{"id":"new"}`,
		"PATCH /users/{id}":              `{"name":"N"}`,
		"POST /users/{id}/password":      `{}`,
		"PUT /users/{id}/credentials":    `{"server":"forgejo","name":"token","value":"x"}`,
		"DELETE /users/{id}/credentials": `{"server":"forgejo"}`,
		"POST /keys":                     `{"name":"k"}`,
		"POST /keys/revoke":              `{"key":"k"}`,
		"POST /clients":                  `{"name":"c","redirect_uris":["https://c.example/cb"]}`,
		"POST /clients/change":           `{"id":"c","may_admin":true}`,
		"POST /clients/secret":           `{"id":"c"}`,
		"POST /clients/delete":           `{"id":"c"}`,
		"PATCH /grants/{id}":             `{"rights":{"backends":["*"]}}`,
		"POST /profiles":                 `{"name":"p","backends":["*"],"allow":["*"],"tier":"read"}`,
		"PUT /profiles/{name}":           `{"name":"p","backends":["*"],"allow":["*"],"tier":"read"}`,
	}[method+" "+pattern]
}

// T15: nothing over HTTP adds a backend or a command. No route is about backends,
// and a body that brings a command is refused whole.
func TestAPI_addsNoCommands(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, r := range h.admin.Routes() {
		if strings.Contains(r.Pattern, "backend") {
			t.Errorf("there is a route %s", r.Pattern)
		}
		for _, method := range r.Methods {
			if method == http.MethodGet || method == http.MethodHead {
				continue
			}
			body := strings.TrimSuffix(bodyFor(method, r.Pattern), "}")
			switch body {
			case "", "{":
				body = `{"command":"sh"}`
			default:
				body += `,"command":"sh"}`
			}
			target := strings.NewReplacer("{id}", "deputy", "{name}", "p").Replace(r.Pattern)
			h.ask(method, target, body).is(t, http.StatusBadRequest)
		}
	}
	if said := h.rows.said(); len(said) > 0 {
		t.Errorf("something was done: %v", said)
	}
	backends, err := h.store.Backends(t.Context())
	if err != nil || len(backends) != 0 {
		t.Errorf("%v, %v", backends, err)
	}
}

// T9 and T11: a body is one JSON object that everybody reads the same way.
func TestAPI_strictBodies(t *testing.T) {
	t.Parallel()
	h := open(t)
	post := func(media, encoding, body string) reply {
		r := httptest.NewRequest(http.MethodPost, "/users", strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		return h.send(boss, r, "")
	}
	const good = `{"id":"new"}`
	for name, c := range map[string]struct {
		media, encoding, body string
		status                int
		says                  string
	}{
		"form":          {"application/x-www-form-urlencoded", "", "id=new", 415, "Content-Type: application/json"},
		"text":          {"text/plain", "", good, 415, "Content-Type: application/json"},
		"no type":       {"", "", good, 415, "Content-Type: application/json"},
		"compressed":    {"application/json", "gzip", good, 415, "without Content-Encoding"},
		"1 MiB and 1":   {"application/json", "", `{"id":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "Send less"},
		"empty":         {"application/json", "", "", 400, "JSON"},
		"array":         {"application/json", "", `[]`, 400, "expected an object"},
		"trailing":      {"application/json", "", good + "{}", 400, "something follows"},
		"twice":         {"application/json", "", `{"id":"new","id":"boss"}`, 400, "duplicate key"},
		"twice, hidden": {"application/json", "", `{"id":"new","\u0069d":"boss"}`, 400, "duplicate key"},
		"other case":    {"application/json", "", `{"ID":"new"}`, 400, "unknown"},
		"long s":        {"application/json", "", `{"id":"new","pa\u017fsword":"x"}`, 400, "unknown"},
		"unknown":       {"application/json", "", `{"id":"new","hash":"x"}`, 400, "hash: unknown; known are id, name"},
		"wrong type":    {"application/json", "", `{"id":7}`, 400, "id: expected a string"},
		"null":          {"application/json", "", `{"id":null}`, 400, "id: expected a string"},
		"deep":          {"application/json", "", strings.Repeat(`{"id":`, 10_000) + "1" + strings.Repeat("}", 10_000), 400, "nested too deep"},
		"lone half":     {"application/json", "", `{"id":"\ud800"}`, 400, "surrogate"},
		"role":          {"application/json", "", `{"id":"new","role":"root"}`, 400, "admin"},
	} {
		a := post(c.media, c.encoding, c.body).is(t, c.status).says(t, c.says)
		if a.status != c.status {
			t.Errorf("%s", name)
		}
	}
	h.ask(http.MethodPost, "/keys/revoke", `{"key":"a\u0000"}`).is(t, http.StatusBadRequest).says(t, "NUL")
	h.ask(http.MethodGet, "/grants?user=a%00", "").is(t, http.StatusBadRequest)
	h.ask(http.MethodGet, "/grants?user=%ff", "").is(t, http.StatusBadRequest)
	h.ask(http.MethodPost, "/users/anna/sign-out", `[]`).is(t, http.StatusBadRequest)
	h.ask(http.MethodPost, "/users/anna/sign-out", `{}`).is(t, http.StatusNoContent)
	h.ask(http.MethodGet, "/grants?usr=anna", "").is(t, http.StatusBadRequest).says(t, "known are user")
	h.ask(http.MethodGet, "/grants?user=anna&user=boss", "").is(t, http.StatusBadRequest)
	if users, _ := h.store.Users(t.Context()); len(users) != 3 {
		t.Errorf("%d users", len(users))
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	h := open(t)
	made := h.ask("POST", "/users", `{"id":"bob","name":"Bob"}`).is(t, 201)
	password := made.member(t, "password")
	if len(password) < 20 || made.header.Get("Cache-Control") != "no-store" {
		t.Errorf("password %q, %v", password, made.header)
	}
	if u, err := h.store.User(t.Context(), "bob"); err != nil || u.PasswordHash != "hash of "+password || u.Role != account.RoleMember {
		t.Errorf("%+v, %v", u, err)
	}
	if got := h.ask("POST", "/users", `{"id":"eve","password":"correct horse battery"}`).is(t, 201); got.member(t, "password") != "" {
		t.Error("a chosen password is sent back")
	}
	h.ask("POST", "/users", `{"id":"bob"}`).is(t, 409).says(t, "Choose another id")
	h.ask("POST", "/users", `{"id":"short","password":"elevenchars"}`).is(t, 400).says(t, "12 to 1024")
	h.ask("POST", "/users", `{"id":"Big"}`).is(t, 400)
	h.ask("POST", "/users", `{"id":"p","profile":"none"}`).is(t, 404)
	h.ask("GET", "/users/nobody", "").is(t, 404)

	list := h.ask("GET", "/users", "").is(t, 200).says(t, `"id":"bob"`)
	if strings.Count(list.body, `"has_password":true`) != 4 || strings.Count(list.body, `"has_password":false`) != 1 {
		t.Errorf("who has a password: %s", list.body)
	}
	if strings.Contains(list.body, "hash") {
		t.Errorf("a hash is listed: %s", list.body)
	}
	h.rows.said()
	h.ask("PATCH", "/users/bob", `{"name":"Robert","role":"admin","disabled":true}`).is(t, 200).says(t, `"name":"Robert"`).says(t, `"disabled":true`)
	h.ask("PATCH", "/users/bob", `{}`).is(t, 200).says(t, `"name":"Robert"`)
	h.ask("PATCH", "/users/bob", `{"name":""}`).is(t, 400)
	h.ask("POST", "/users/bob/password", `{"password":"a longer secret"}`).is(t, 200)
	if made := h.ask("POST", "/users/bob/password", `{}`).is(t, 200).member(t, "password"); made == "" {
		t.Error("no password was made")
	}
	h.ask("POST", "/users/bob/sign-out", "").is(t, 204)
	h.ask("DELETE", "/users/bob", "").is(t, 204)
	h.ask("DELETE", "/users/bob", "").is(t, 404)
	want := []string{
		"admin/user.change bob allowed ok by boss", "admin/user.change bob allowed ok by boss", "admin/user.change bob allowed error by boss",
		"admin/user.password bob allowed ok by boss", "admin/user.password bob allowed ok by boss", "admin/user.sign-out bob allowed ok by boss",
		"admin/user.delete bob allowed ok by boss", "admin/user.delete bob allowed error by boss",
	}
	if got := h.rows.said(); !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
}

// Nobody shuts themselves out, and the last admin stays one.
func TestUsers_lockout(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.ask("DELETE", "/users/boss", "").is(t, 409).says(t, "Ask another admin")
	h.ask("PATCH", "/users/boss", `{"disabled":true}`).is(t, 409).says(t, "Ask another admin")
	h.ask("PATCH", "/users/deputy", `{"role":"member"}`).is(t, 200)
	h.ask("PATCH", "/users/boss", `{"role":"member"}`).is(t, 409).says(t, "last admin")
	deputy := account.Principal{User: "deputy", Credential: "static", Role: account.RoleAdmin} // still signed in, say
	h.as(deputy, "DELETE", "/users/boss", "").is(t, 409).says(t, "last admin")
	h.as(deputy, "PATCH", "/users/boss", `{"name":"B","disabled":true}`).is(t, 409).says(t, "last admin")
	if u, err := h.store.User(t.Context(), "boss"); err != nil || u.Name != "Boss" || u.Role != account.RoleAdmin || u.Disabled {
		t.Errorf("a refused change left %+v, %v", u, err)
	}
}

// A21: a key is shown once, and is no more than who makes it and whom it is for.
func TestKeys(t *testing.T) {
	t.Parallel()
	h := open(t)
	made := h.ask("POST", "/keys", `{"name":"laptop","user":"anna","networks":["192.168.1.7","2001:db8::1/48","::ffff:10.0.0.0/104"],"expires":"2099-01-01T00:00:00Z"}`).is(t, 201)
	value, id := made.member(t, "value"), made.member(t, "key.id")
	if !secret.WellFormed(secret.PrefixKey, value) {
		t.Fatalf("value %q", value)
	}
	made.says(t, `"networks":["192.168.1.7/32","2001:db8::/48","10.0.0.0/8"]`).says(t, `"rights":{"backends":["*"]}`).says(t, `"role":"member"`)
	for _, target := range []string{"/keys", "/keys/" + id} {
		if got := h.ask("GET", target, "").is(t, 200); strings.Contains(got.body, value) || strings.Contains(got.body, "hash") {
			t.Errorf("GET %s shows a secret: %s", target, got.body)
		}
	}
	if strings.Contains(h.log.String(), value) {
		t.Error("the log has the key")
	}

	h.ask("POST", "/keys", `{"name":"x","user":"anna","role":"admin"}`).is(t, 400).says(t, "Choose the role member")
	h.ask("POST", "/keys", `{"name":"own"}`).is(t, 201).says(t, `"user":"boss"`)
	h.ask("POST", "/keys", `{"name":"admin","role":"admin"}`).is(t, 201)
	h.ask("POST", "/keys", `{"name":"x","user":"nobody"}`).is(t, 404)
	h.ask("POST", "/keys", `{"name":"x","profile":"nothing"}`).is(t, 404)
	h.ask("POST", "/keys", `{"name":"x","rights":{"backends":[]}}`).is(t, 400)
	h.ask("POST", "/keys", `{"name":"x","networks":["a/b"]}`).is(t, 400).says(t, "192.168.1.0/24")
	h.ask("POST", "/keys", `{"name":"x","expires":"tomorrow"}`).is(t, 400)
	h.ask("POST", "/keys", `{"name":"x","expires":"2001-01-01T00:00:00Z"}`).is(t, 400).says(t, "in the past")
	h.ask("POST", "/keys", `{"name":"laptop","user":"anna"}`).is(t, 409)

	h.ask("POST", "/keys/revoke", `{"key":"nothing"}`).is(t, 404)
	h.ask("POST", "/keys/revoke", `{"key":"own"}`).is(t, 200).says(t, `"status":"revoked"`)
	h.ask("POST", "/keys/revoke", `{"key":"`+value[:10]+`"}`).is(t, 200).says(t, id)
	h.ask("GET", "/keys/"+id, "").is(t, 200).says(t, `"status":"revoked"`)
	h.ask("DELETE", "/keys/"+id, "").is(t, 404)
	h.ask("DELETE", "/keys/admin", "").is(t, 404) // a name is no id
	last := h.ask("POST", "/keys", `{"name":"last"}`).is(t, 201).member(t, "key.id")
	h.ask("DELETE", "/keys/"+last, "").is(t, 204)
	live, err := h.store.LiveKeys(t.Context())
	if err != nil || len(live) != 1 || live[0].Name != "admin" {
		t.Errorf("%+v, %v", live, err)
	}
}

func TestClients(t *testing.T) {
	t.Parallel()
	h := open(t)
	made := h.ask("POST", "/clients", `{"name":"n8n","redirect_uris":["https://n8n.example/cb"]}`).is(t, 201)
	id, value := made.member(t, "client.id"), made.member(t, "secret")
	c, err := h.store.Client(t.Context(), id)
	if err != nil || c.SecretHash != secret.Hash(value) || value == "" {
		t.Fatalf("%+v, %v", c, err)
	}
	made.says(t, `"grant_types":["authorization_code","refresh_token"]`)
	if list := h.ask("GET", "/clients", "").is(t, 200).says(t, id); strings.Contains(list.body, value) {
		t.Error("the secret is listed")
	}
	second := h.ask("POST", "/clients/secret", `{"id":"`+id+`"}`).is(t, 200).member(t, "secret")
	if c, _ := h.store.Client(t.Context(), id); second == value || c.SecretHash != secret.Hash(second) {
		t.Error("the secret is not another one")
	}
	machine := h.ask("POST", "/clients", `{"id":"ci","name":"CI","machine_user":"anna","machine_rights":{"backends":["forgejo"],"write":true}}`).is(t, 201)
	machine.says(t, `"grant_types":["client_credentials"]`).says(t, `"machine_rights":{"backends":["forgejo"],"write":true}`)

	h.ask("POST", "/clients", `{"id":"ci","name":"x","redirect_uris":["https://n8n.example/cb"]}`).is(t, 409)
	h.ask("POST", "/clients", `{"id":"dcr_x","name":"x","redirect_uris":["https://n8n.example/cb"]}`).is(t, 400)
	h.ask("POST", "/clients", `{"id":"https://x","name":"x","redirect_uris":["https://n8n.example/cb"]}`).is(t, 400)
	h.ask("POST", "/clients", `{"name":"x","redirect_uris":["javascript:alert(1)"]}`).is(t, 400)
	h.ask("POST", "/clients", `{"name":"x"}`).is(t, 400)
	h.ask("POST", "/clients", `{"name":"x","machine_user":"nobody"}`).is(t, 404)
	h.ask("POST", "/clients", `{"name":"x","machine_user":"anna","token_endpoint_auth_method":"none"}`).is(t, 400)
	h.ask("POST", "/clients", `{"name":"x","grant_types":["client_credentials"]}`).is(t, 400).says(t, "Name one")

	h.ask("POST", "/clients/change", `{"id":"`+id+`","name":"N8N","may_admin":true,"redirect_uris":["https://n8n.example/other"]}`).is(t, 200).
		says(t, `"name":"N8N"`).says(t, `"may_admin":true`).says(t, "/other")
	h.ask("POST", "/clients/change", `{"id":"`+id+`","redirect_uris":["http://n8n.example/"]}`).is(t, 400)
	h.ask("POST", "/clients/change", `{"id":"ci","machine_rights":{"backends":["*"]}}`).is(t, 200)
	h.ask("POST", "/clients/delete", `{"id":"ci"}`).is(t, 204)
	h.ask("POST", "/clients/delete", `{"id":"ci"}`).is(t, 404)
	h.ask("GET", "/clients?id=ci", "").is(t, 404)
	h.ask("GET", "/clients?id="+id, "").is(t, 200).says(t, "N8N")
}

// A client that describes itself may only be allowed to ask for admin. Its id may be
// a URL.
func TestClients_selfDescribed(t *testing.T) {
	t.Parallel()
	h := open(t)
	const id = "https://claude.ai/oauth/mcp-oauth-client-metadata"
	if err := h.store.SaveDocumentClient(t.Context(), documentClient(id)); err != nil {
		t.Fatal(err)
	}
	h.ask("GET", "/clients?id=https%3A%2F%2Fclaude.ai%2Foauth%2Fmcp-oauth-client-metadata", "").is(t, 200).says(t, `"host":"claude.ai"`)
	h.ask("POST", "/clients/change", `{"id":"`+id+`","name":"Other"}`).is(t, 409)
	h.ask("POST", "/clients/change", `{"id":"`+id+`","may_admin":true}`).is(t, 200).says(t, `"may_admin":true`)
	h.ask("POST", "/clients/secret", `{"id":"`+id+`"}`).is(t, 409)
	h.ask("POST", "/clients/delete", `{"id":"`+id+`"}`).is(t, 204)
}

func TestGrants(t *testing.T) {
	t.Parallel()
	h := open(t)
	g := grantFor(t, h.store, "anna")
	h.ask("GET", "/grants", "").is(t, 200).says(t, g.ID)
	h.ask("GET", "/grants?user=boss", "").is(t, 200).says(t, `"grants":[]`)
	h.ask("GET", "/grants/"+g.ID, "").is(t, 200).says(t, `"user":"anna"`)
	h.ask("PATCH", "/grants/"+g.ID, `{"rights":{"backends":["memory"],"write":true}}`).is(t, 200).says(t, `"backends":["memory"],"write":true`)
	h.ask("PATCH", "/grants/"+g.ID, `{"rights":{"backends":[]}}`).is(t, 400)
	h.ask("PATCH", "/grants/"+g.ID, `{"rights":{"backends":["*"]},"role":"admin"}`).is(t, 400) // only consent says so
	h.ask("DELETE", "/grants/"+g.ID, "").is(t, 204)
	h.ask("DELETE", "/grants/"+g.ID, "").is(t, 404)
	h.ask("GET", "/grants/"+g.ID, "").is(t, 200).says(t, `"status":"revoked"`)
	h.ask("GET", "/grants/grant_none", "").is(t, 404)
}

// A credential goes in, is listed without its value, and comes out nowhere.
func TestCredentials(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.ask("PUT", "/users/anna/credentials", `{"server":"forgejo","name":"token","value":"s3cr3t-a"}`).is(t, 204)
	h.ask("PUT", "/users/anna/credentials", `{"server":"forgejo","name":"token","value":"s3cr3t-b"}`).is(t, 204)
	h.ask("PUT", "/users/anna/credentials", `{"server":"ssh","name":"password","value":"s3cr3t-c"}`).is(t, 204)
	h.ask("GET", "/users/anna/credentials", "").is(t, 200).says(t, `{"server":"forgejo","name":"token","updated":`).says(t, `"ssh"`)
	if got, err := h.store.Credentials(t.Context(), "anna", "forgejo"); err != nil || len(got) != 1 || got["token"].Reveal() != "s3cr3t-b" {
		t.Errorf("%v, %v", got, err)
	}
	h.ask("PUT", "/users/anna/credentials", `{"server":"ssh","name":"web1.password","value":"s3cr3t-d"}`).is(t, 204)
	h.ask("PUT", "/users/anna/credentials", `{"server":"ssh","name":"web1.port","value":"x"}`).is(t, 400)
	h.ask("PUT", "/users/anna/credentials", `{"server":"forgejo","name":"pass","value":"x"}`).is(t, 400).says(t, "It takes: token.")
	h.ask("PUT", "/users/anna/credentials", `{"server":"nothing","name":"token","value":"x"}`).is(t, 400).says(t, "forgejo, ssh")
	h.ask("PUT", "/users/anna/credentials", `{"server":"forgejo","name":"token","value":""}`).is(t, 400)
	h.ask("PUT", "/users/nobody/credentials", `{"server":"forgejo","name":"token","value":"x"}`).is(t, 404)
	h.ask("GET", "/users/nobody/credentials", "").is(t, 404)
	h.ask("DELETE", "/users/anna/credentials", `{"server":"forgejo","name":"token"}`).is(t, 204)
	h.ask("DELETE", "/users/anna/credentials", `{"server":"forgejo"}`).is(t, 404)
	h.ask("DELETE", "/users/anna", "").is(t, 204)
	if got, err := h.store.CredentialNames(t.Context(), "anna"); err != nil || len(got) != 0 {
		t.Errorf("they outlive their user: %v, %v", got, err)
	}
	if said := strings.Join(h.rows.said(), "\n") + h.log.String(); strings.Contains(said, "s3cr3t") || !strings.Contains(said, "credential.put") {
		t.Errorf("written down: %s", said)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	h := open(t)
	const kids = `{"name":"kids","title":"For the kids","backends":["memory"],"allow":["memory_*"],"deny":["*_delete*"],"tier":"write"}`
	h.ask("POST", "/profiles", kids).is(t, 201)
	h.ask("POST", "/profiles", kids).is(t, 409)
	h.ask("POST", "/profiles", `{"name":"No","backends":["*"],"allow":["*"],"tier":"read"}`).is(t, 400)
	h.ask("GET", "/profiles", "").is(t, 200).says(t, "For the kids")
	h.ask("PUT", "/profiles/kids", `{"name":"kids","backends":["*"],"allow":["*"],"tier":"read"}`).is(t, 200).says(t, `"title":"kids"`)
	h.ask("PUT", "/profiles/other", kids).is(t, 400)
	h.ask("GET", "/profiles/kids", "").is(t, 200).says(t, `"tier":"read"`)
	h.ask("PATCH", "/users/anna", `{"profile":"kids"}`).is(t, 200).says(t, `"profile":"kids"`)
	h.ask("DELETE", "/profiles/kids", "").is(t, 409).says(t, "anna")
	h.ask("PATCH", "/users/anna", `{"profile":""}`).is(t, 200)
	h.ask("DELETE", "/profiles/kids", "").is(t, 204)
	h.ask("GET", "/profiles/kids", "").is(t, 404)
}

func TestAudit(t *testing.T) {
	t.Parallel()
	h := open(t)
	writeAudit(t, h.store)
	h.ask("GET", "/audit", "").is(t, 200).says(t, `"method":"tools/call"`)
	if got := h.ask("GET", "/audit?user=anna&limit=1", "").is(t, 200); strings.Count(got.body, `"user"`) != 1 || !strings.Contains(got.body, `"target":"second"`) {
		t.Errorf("not the newest of anna: %s", got.body)
	}
	h.ask("GET", "/audit?user=nobody", "").is(t, 200).says(t, `{"records":[]}`)
	lines := h.ask("GET", "/audit?format=ndjson", "").is(t, 200)
	if lines.header.Get("Content-Type") != "application/x-ndjson" || strings.Count(lines.body, "\n") != 3 || !strings.Contains(lines.body[:strings.IndexByte(lines.body, '\n')], "first") {
		t.Errorf("%v\n%s", lines.header, lines.body)
	}
	if none := h.ask("GET", "/audit?format=ndjson&user=nobody", "").is(t, 200); none.body != "" {
		t.Errorf("%q", none.body)
	}
	for _, bad := range []string{"limit=-1", "limit=x", "since=today", "decision=maybe", "usr=anna", "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"} {
		h.ask("GET", "/audit?"+bad, "").is(t, 400)
	}
}

// An export that fails midway must not pass for a whole one.
func TestAudit_cutOff(t *testing.T) {
	t.Parallel()
	h := open(t)
	log := slog.New(slog.DiscardHandler)
	d, err := desk.New(log, desk.Deps{Users: h.store, Keys: h.store, Clients: h.store, Grants: h.store, Profiles: h.store, Credentials: h.store, Own: own, Audit: h.rows, Hash: cheapHash})
	if err != nil {
		t.Fatal(err)
	}
	a, err := admin.New(log, d, tornLog{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, r := range a.Routes() {
		mux.Handle(r.Pattern, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.Handler.ServeHTTP(w, req.WithContext(account.WithPrincipal(req.Context(), boss)))
		}))
	}
	srv := httptest.NewServer(mux)
	defer srv.Close()
	res, err := http.Get(srv.URL + "/audit?format=ndjson")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("a torn export looks whole")
	}
	if res, err = http.Get(srv.URL + "/audit"); err != nil || res.StatusCode != http.StatusInternalServerError {
		t.Errorf("%v, %v", res, err)
	}
	if body, _ := io.ReadAll(res.Body); strings.Contains(string(body), "disk on fire") {
		t.Errorf("the cause is shown: %s", body)
	}
}

// tornLog gives rows and then fails.
type tornLog struct{}

func (tornLog) AuditRecords(_ context.Context, _ account.AuditFilter, each func(account.ChainedRecord) error) error {
	for range 1000 {
		if err := each(account.ChainedRecord{}); err != nil {
			return err
		}
	}
	return fmt.Errorf("disk on fire")
}

// own is what users may have of their own.
var own = map[string][]string{"forgejo": {"token"}, "ssh": {"password", "private_key", "*.password"}}
