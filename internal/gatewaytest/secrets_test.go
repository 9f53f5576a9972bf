package gatewaytest_test

import (
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/config"
	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
)

// canaries is a gateway in which secrets of every kind are used, well and badly.
type canaries struct {
	t    *testing.T
	g    *gatewaytest.Gateway
	door *gatewaytest.Door

	mu   sync.Mutex // guards seen
	seen []seen
	n    int // secrets made up so far
}

// seen is an answer, and the kinds of secrets that it is there to bring.
type seen struct {
	request string
	text    string
	may     []string
}

// secret makes up a value of a kind. Its words are in no other.
func (c *canaries) secret(kind string) string {
	c.n++
	return c.g.Secret(kind, fmt.Sprintf("canary%d-%s-Zq7", c.n, strings.ReplaceAll(kind, " ", "-")))
}

// ok takes an answer that has to be of a status. may are the kinds that it may have.
func (c *canaries) ok(status int) func(a gatewaytest.Reply, err error) gatewaytest.Reply {
	c.t.Helper()
	return func(a gatewaytest.Reply, err error) gatewaytest.Reply {
		c.t.Helper()
		if err != nil || a.Status != status {
			c.t.Errorf("%d, want %d: %.300s %v", a.Status, status, a.Body, err)
		}
		return a
	}
}

// brings says what the last answer may have.
func (c *canaries) brings(kinds ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[len(c.seen)-1].may = kinds
}

// Threat T21: secrets of every kind go through success and failure, and are found
// nowhere but in the answers that are there to bring them: not in the log at its most
// talkative, nor on a page, in a list, an error, the audit log or the database.
func TestT21_canaries(t *testing.T) {
	t.Parallel()
	c := &canaries{t: t}
	// The configuration is read before the gateway is there to know its secrets.
	planted := map[string]string{}
	plant := func(kind string) string {
		planted[kind] = fmt.Sprintf("canary-%s-Xw3", strings.ReplaceAll(kind, " ", "-"))
		return planted[kind]
	}
	good := gatewaytest.NewAsking("good", gatewaytest.R1125)
	good.SetTools(`{"name":"echo","inputSchema":{"type":"object"}}`, `{"name":"fail","inputSchema":{"type":"object"}}`, `{"name":"exact","inputSchema":{"type":"object"}}`)
	password := plant("admin password")
	c.g = gatewaytest.Run(t, fmt.Sprintf(`{"oauth":{"password":%q},"mcpServers":{
		"good":{"url":%q,"token":%q},
		"rude":{"url":%q,"token":%q,"headers":{"X-Api-Key":%q}},
		"gone":{"url":"http://127.0.0.1:1/mcp?key=%s","token":%q},
		"loud":{"command":"/bin/sh","args":["-c","echo cannot log in with $$SECRET >&2; exit 1"],"env":{"SECRET":%q}}}}`,
		password, good.HTTP(t), plant("backend token"), rude(t), plant("token of a rude backend"), plant("backend header"),
		plant("backend key in a URL"), plant("token of a backend that is gone"), plant("backend environment")))
	for kind, value := range planted {
		c.g.Secret(kind, value)
	}
	c.door = gatewaytest.NewDoor(c.g.Base)
	c.door.Note = func(request string, a gatewaytest.Reply) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen = append(c.seen, seen{request: request, text: a.Whole()})
	}
	c.g.WaitTools("good_echo")

	c.stored()
	c.clients(password)
	c.calls(good)
	c.keys()
	c.browser(password)
	c.malformed()
	c.configured()
	c.search()
}

// rude is a backend that answers with whatever it was sent.
func rude(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "cannot do this: %v %s", r.Header, body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/mcp"
}

// stored adds a backend as the command line does.
func (c *canaries) stored() {
	t := c.t
	row, err := config.Backend{Name: "stored", URL: "http://127.0.0.1:1/mcp", Enabled: true, Token: secret.New(c.secret("stored token")),
		Headers: map[string]secret.String{"X-Key": secret.New(c.secret("stored header"))}}.ToStore()
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), slog.New(slog.DiscardHandler), store.Config{StateDir: c.g.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.PutBackend(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	c.g.WaitFor("the stored backend to be tried", func() bool {
		a, err := c.door.Send(t.Context(), "GET", "/status", "", "Authorization", "Bearer "+gatewaytest.Key)
		return err == nil && strings.Contains(a.Body, `"stored"`) && strings.Contains(a.Body, `"gone"`)
	})
}

// letIn goes through consent for a client and gives the code.
func (c *canaries) letIn(client, verifier, password string) string {
	d, ctx := c.door, c.t.Context()
	state := c.secret("state")
	page, err := d.Ask(ctx, client, verifier, url.Values{"state": {state}})
	c.ok(200)(page.Reply, err)
	c.brings("consent cookie")
	c.g.Secret("consent cookie", page.Browser)
	c.g.Secret("consent form", page.Request)
	c.brings("consent cookie", "consent form")

	c.ok(403)(d.Allow(ctx, page, c.secret("wrong password"), nil))
	c.brings("consent form")
	a := c.ok(303)(d.Allow(ctx, page, password, url.Values{"write": {"yes"}}))
	c.brings("code", "state")
	code := c.g.Secret("code", a.Back().Get("code"))
	if a.Back().Get("state") != state {
		c.t.Errorf("the state came back as %q", a.Back().Get("state"))
	}
	c.ok(403)(d.Allow(ctx, page, password, nil)) // a second time
	return code
}

// tokens takes those of an answer.
func (c *canaries) tokens(a gatewaytest.Reply) (access, refresh string) {
	c.brings("access token", "refresh token")
	access = c.g.Secret("access token", a.Get("access_token"))
	if refresh = a.Get("refresh_token"); refresh != "" {
		c.g.Secret("refresh token", refresh)
	}
	return access, refresh
}

// clients goes through the authorization server, as programs do and as they should
// not.
func (c *canaries) clients(password string) {
	d, ctx, t := c.door, c.t.Context(), c.t
	client := c.ok(201)(d.Register(ctx, "Program", "none")).Get("client_id")
	verifier := c.g.Secret("verifier", strings.Repeat("canary-verifier-Ab3.", 3))
	wrong := c.g.Secret("wrong verifier", strings.Repeat("canary-wrong-Cd4.", 3))

	c.ok(400)(d.Redeem(ctx, client, c.letIn(client, verifier, password), wrong))

	code := c.letIn(client, verifier, password)
	access, refresh := c.tokens(c.ok(200)(d.Redeem(ctx, client, code, verifier)))
	c.ok(200)(d.List(ctx, access))
	c.ok(400)(d.Redeem(ctx, client, code, verifier)) // ends the grant
	c.ok(401)(d.List(ctx, access))
	c.ok(400)(d.Refresh(ctx, client, refresh))

	// A refresh that is repeated, and one that comes too late.
	_, first := c.tokens(c.ok(200)(d.Redeem(ctx, client, c.letIn(client, verifier, password), verifier)))
	_, second := c.tokens(c.ok(200)(d.Refresh(ctx, client, first)))
	c.tokens(c.ok(200)(d.Refresh(ctx, client, first)))
	access, third := c.tokens(c.ok(200)(d.Refresh(ctx, client, second)))
	c.ok(400)(d.Refresh(ctx, client, first))
	c.ok(400)(d.Refresh(ctx, client, third))
	c.ok(401)(d.List(ctx, access))

	// One that is given back.
	access, refresh = c.tokens(c.ok(200)(d.Redeem(ctx, client, c.letIn(client, verifier, password), verifier)))
	c.ok(200)(d.Revoke(ctx, client, refresh))
	c.ok(200)(d.Revoke(ctx, client, access))
	c.ok(200)(d.Revoke(ctx, client, c.secret("token that is none")))
	c.ok(401)(d.List(ctx, access))

	// Clients with secrets.
	a := c.ok(201)(d.Register(ctx, "Service", "client_secret_post"))
	c.brings("client secret")
	service, own := a.Get("client_id"), c.g.Secret("client secret", a.Get("client_secret"))
	redeem := func(code, secret string, header ...string) (gatewaytest.Reply, error) {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "client_id": {service}}
		if secret != "" {
			form.Set("client_secret", secret)
		}
		return d.Form(ctx, "/oauth/token", form, header...)
	}
	code = c.letIn(service, verifier, password)
	c.ok(401)(redeem(code, c.secret("wrong client secret")))
	c.ok(401)(redeem(code, "", "Authorization", "Basic "+c.secret("garbage for Basic")))
	c.tokens(c.ok(200)(redeem(code, own)))

	a = c.ok(201)(d.JSON(ctx, "POST", "/clients", gatewaytest.Key, `{"name":"Machine","id":"machine","token_endpoint_auth_method":"client_secret_basic","machine_user":"admin"}`))
	c.brings("machine secret")
	own = c.g.Secret("machine secret", a.Get("secret"))
	machine := func(secret string) (gatewaytest.Reply, error) {
		r, _ := http.NewRequest("POST", c.g.Base, nil)
		r.SetBasicAuth("machine", secret)
		return d.Form(ctx, "/oauth/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", r.Header.Get("Authorization"))
	}
	access, _ = c.tokens(c.ok(200)(machine(own)))
	c.ok(200)(d.List(ctx, access))
	c.ok(401)(machine(c.secret("wrong machine secret")))
	c.ok(401)(d.Form(ctx, "/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"machine"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {c.secret("assertion")}}))
	a = c.ok(200)(d.JSON(ctx, "POST", "/clients/secret", gatewaytest.Key, `{"id":"machine"}`))
	c.brings("machine secret")
	c.g.Secret("machine secret", a.Get("secret"))
	c.ok(401)(machine(own))
	if t.Failed() {
		t.FailNow() // what comes would only repeat it
	}
}

// calls sends canaries through tools, in both eras, and lets tools fail with them.
func (c *canaries) calls(good *gatewaytest.Fake) {
	t := c.t
	for _, revision := range []string{gatewaytest.R2024, gatewaytest.R1125, gatewaytest.R2026} {
		client := gatewaytest.Dial(t, c.g.Base, gatewaytest.Key, revision)
		argument, result, failure := c.secret("tool argument"), c.secret("tool result"), c.secret("tool failure")
		good.SetExact(fmt.Sprintf(`{"content":[{"type":"text","text":%q}]}`, result))
		good.SetFailure(fmt.Sprintf(`{"code":-32000,"message":%q,"data":%q}`, failure, failure))
		for _, call := range []struct{ method, params, has string }{
			{"tools/call", `{"name":"good_echo","arguments":{"text":"` + argument + `"}}`, argument},
			{"tools/call", `{"name":"good_exact","arguments":{"token":"` + argument + `"}}`, result},
			{"tools/call", `{"name":"good_fail","arguments":{"token":"` + argument + `"}}`, failure},
			{"tools/call", `{"name":"good_echo","arguments":"` + argument + `"}`, ""},
			{"tools/call", `{"name":"nobody_has_this","arguments":{"token":"` + argument + `"}}`, ""},
			{"prompts/get", `{"name":"good_greet","arguments":{"token":"` + argument + `"}}`, "hello"},
			{"completion/complete", `{"ref":{"type":"ref/prompt","name":"good_greet"},"argument":{"name":"token","value":"` + argument + `"}}`, ""},
			{"no/such/method", `{"token":"` + argument + `"}`, ""},
		} {
			if a := client.Call(call.method, call.params); !strings.Contains(a.Message, call.has) {
				t.Errorf("%s %s: %d %s", call.method, call.params, a.Status, a.Message)
			}
		}
	}
}

// keys makes, uses and ends a key, and uses what is none.
func (c *canaries) keys() {
	d, ctx := c.door, c.t.Context()
	a := c.ok(201)(d.JSON(ctx, "POST", "/keys", gatewaytest.Key, `{"name":"canary"}`))
	c.brings("API key")
	key := c.g.Secret("API key", a.Get("value"))
	c.ok(200)(d.List(ctx, key))
	c.ok(403)(d.JSON(ctx, "GET", "/keys", key, ""))
	c.pasted(key)
	c.ok(200)(d.JSON(ctx, "POST", "/keys/revoke", gatewaytest.Key, `{"key":"canary"}`))
	c.ok(401)(d.List(ctx, key))
	c.ok(401)(d.List(ctx, c.secret("credential that is none")))
	c.ok(401)(d.JSON(ctx, "GET", "/keys", c.secret("credential that is none"), ""))
	for _, header := range []string{"Basic %s", "%s", "Bearer %s %[1]s", "Token %s", "Bearer  %s"} {
		for _, path := range []string{"/mcp", "/keys", "/admin/keys"} {
			a, err := d.Send(ctx, "GET", path, "", "Authorization", fmt.Sprintf(header, c.secret("garbage in Authorization")), "Accept", "text/event-stream")
			if err != nil || a.Status != 401 && a.Status != 400 {
				c.t.Errorf("%s %s: %d %v", path, header, a.Status, err)
			}
		}
	}
	c.ok(401)(d.Send(ctx, "GET", "/mcp?access_token="+c.secret("token in a query"), "", "Accept", "text/event-stream"))
}

// pasted uses a key where its id belongs: whoever wants to end one that has leaked may
// well paste the key itself.
func (c *canaries) pasted(key string) {
	d, ctx := c.door, c.t.Context()
	for _, request := range []struct{ method, path, body string }{
		{"POST", "/keys/revoke", `{"key":%q}`}, {"DELETE", "/keys/%s", ""}, {"GET", "/keys/%s", ""},
		{"DELETE", "/grants/%s", ""}, {"PATCH", "/grants/%s", `{"rights":{"backends":["*"]}}`},
		{"POST", "/clients/delete", `{"id":%q}`}, {"POST", "/clients/secret", `{"id":%q}`}, {"GET", "/clients?id=%s", ""},
		{"DELETE", "/profiles/%s", ""}, {"GET", "/users/%s", ""}, {"POST", "/users/%s/sign-out", ""}, {"GET", "/admin/keys/%s", ""},
	} {
		fill := func(text string) string {
			if strings.Contains(text, "%") {
				return fmt.Sprintf(text, key)
			}
			return text
		}
		a, err := d.JSON(ctx, request.method, fill(request.path), gatewaytest.Key, fill(request.body))
		if err != nil || a.Status != 404 && a.Status != 400 {
			c.t.Errorf("%s %s: %d %s %v", request.method, request.path, a.Status, a.Body, err)
		}
	}
	// Nor does it do harm as the name of a client, or in place of another token.
	for _, form := range []url.Values{
		{"grant_type": {"refresh_token"}, "refresh_token": {key}, "client_id": {key}},
		{"grant_type": {"authorization_code"}, "code": {key}, "client_id": {"nobody"}, "code_verifier": {key}},
		{"grant_type": {key}, "client_id": {"nobody"}},
	} {
		if a, err := d.Form(ctx, "/oauth/token", form); err != nil || a.Status != 400 && a.Status != 401 {
			c.t.Errorf("%v: %d %s %v", form, a.Status, a.Body, err)
		}
	}
}

var formToken = regexp.MustCompile(`name="form_token" value="([^"]*)"`)

// browser goes through the admin pages, with passwords of others.
func (c *canaries) browser(password string) {
	d, ctx := c.door, c.t.Context()
	login := func(user, password string) (gatewaytest.Reply, error) {
		return d.Form(ctx, "/login", url.Values{"user": {user}, "password": {password}}, "Sec-Fetch-Site", "same-origin")
	}
	c.ok(403)(login("", c.secret("wrong password at the door")))
	a := c.ok(303)(login("", password))
	c.brings("browser session")
	session := c.g.Secret("browser session", a.Cookie("drawbridge"))
	home := []string{"Sec-Fetch-Site", "same-origin", "Cookie", "drawbridge=" + session}
	a = c.ok(200)(d.Send(ctx, "GET", "/admin/users", "", home...))
	c.brings("form token")
	token := c.g.Secret("form token", html.UnescapeString(formToken.FindStringSubmatch(a.Body)[1]))
	send := func(path, token string, pairs ...string) (gatewaytest.Reply, error) {
		form := url.Values{"form_token": {token}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		defer c.brings("form token", "password that was made")
		return d.Form(ctx, path, form, home...)
	}
	c.ok(403)(send("/admin/users", c.secret("wrong form token"), "do", "create", "id", "other", "password", c.secret("password of a user")))
	c.ok(400)(send("/admin/users", token, "do", "create", "id", "not an id", "password", c.secret("password of a user")))
	theirs := c.secret("password of a user")
	a = c.ok(201)(d.JSON(ctx, "POST", "/users", gatewaytest.Key, fmt.Sprintf(`{"id":"other","role":"admin","password":%q}`, theirs)))
	a = c.ok(200)(d.JSON(ctx, "POST", "/users/other/password", gatewaytest.Key, `{}`))
	c.brings("password that was made")
	made := c.g.Secret("password that was made", a.Get("password"))
	c.ok(403)(login("other", theirs)) // the old one
	a = c.ok(303)(login("other", made))
	c.brings("browser session")
	c.g.Secret("browser session", a.Cookie("drawbridge"))
	c.ok(403)(login(c.secret("password typed as name"), "x"))
	c.brings("password typed as name") // whoever typed it may see it
	c.ok(400)(send("/admin/users/other", token, "do", "password", "password", "short", "again", c.secret("password of a user")))
	for _, page := range []string{"/admin", "/admin/users", "/admin/users/other", "/admin/keys", "/admin/clients", "/admin/clients/client?id=machine", "/admin/grants", "/admin/profiles", "/dashboard"} {
		c.ok(200)(d.Send(ctx, "GET", page, "", home...))
		c.brings("form token")
	}
	c.ok(303)(d.Send(ctx, "GET", "/admin", "", "Cookie", "drawbridge="+c.secret("cookie that is none")))
	c.ok(303)(d.Form(ctx, "/logout", url.Values{"form_token": {token}}, home...))
	c.ok(303)(d.Send(ctx, "GET", "/admin", "", home...))
}

// malformed sends what no endpoint can read, with a canary in each.
func (c *canaries) malformed() {
	d, ctx := c.door, c.t.Context()
	for _, path := range []string{"/oauth/token", "/oauth/revoke", "/oauth/register", "/oauth/authorize", "/login", "/keys", "/users", "/clients", "/profiles", "/mcp", "/keys/revoke", "/users/admin/password"} {
		for kind, body := range map[string]string{
			"application/json":                  `{"password":%q,"value":%[1]q,"name":{"x":%[1]q},"client_name":[%[1]q],"redirect_uris":%[1]q,"role":%[1]q,"key":[%[1]q]`,
			"application/json;":                 `{"password":%q,"name":{"x":%[1]q},"client_name":[%[1]q],"redirect_uris":%[1]q,"role":%[1]q,"key":[%[1]q]}`,
			"application/x-www-form-urlencoded": `grant_type=authorization_code&code=%s&code=%[1]s&token=%[1]s&token=%[1]s&password=%[1]s&client_secret=%[1]s&client_id=x`,
			"text/plain":                        `%s`,
			"application/x-www-form-urlencoded;charset=utf-8": `grant_type=refresh_token&refresh_token=%s&client_id=nobody&token=%[1]s&%%zz=%[1]s`,
		} {
			canary := c.secret("malformed body")
			a, err := d.Send(ctx, "POST", path, fmt.Sprintf(body, canary), "Content-Type", kind, "Authorization", "Bearer "+gatewaytest.Key,
				"Sec-Fetch-Site", "same-origin", "Accept", "application/json, text/event-stream")
			if err != nil || a.Status < 400 || a.Status >= 500 {
				c.t.Errorf("%s as %s: %d %s %v", path, kind, a.Status, a.Body, err)
			}
		}
	}
	for _, query := range []string{"client_id=%s", "client_id=nobody&state=%s&redirect_uri=https://evil.example/%[1]s", "response_type=code&code_challenge=%s&%%zz", "state=%s&state=%[1]s"} {
		a, err := d.Send(ctx, "GET", "/oauth/authorize?"+fmt.Sprintf(query, c.secret("bad authorization request")), "")
		if err != nil || a.Status < 400 || a.Status >= 500 {
			c.t.Errorf("authorize?%s: %d %v", query, a.Status, err)
		}
	}
}

// configured reads settings that are wrong and have secrets in them. What is wrong is
// told without them.
func (c *canaries) configured() {
	for _, text := range []string{
		`{"static_key":"tooshort%s"`, `{"static_key":[%q]}`, `{"oauth":{"password":{"is":%q}}}`, `{"store":"postgres://u:%s@[::1/db"}`, `{"nonsense":%q}`,
		`{"mcpServers":{"b":{"url":"http://127.0.0.1:1","token":[%q],"headers":[%[1]q]}}}`, `{"mcpServers":{"b":{"url":"http://u:%s@x y/"}}}`, `{"mcpServers":{"b":{"command":"x","env":{"A":[%q]}}}}`,
	} {
		file := filepath.Join(c.t.TempDir(), "drawbridge.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, text, c.secret("setting")), 0o600); err != nil {
			c.t.Fatal(err)
		}
		_, notices, err := config.Load(config.Source{File: file, Dir: filepath.Dir(file)})
		if err == nil {
			c.t.Errorf("%s is taken", text)
		}
		c.seen = append(c.seen, seen{request: "config.Load " + text, text: fmt.Sprint(err, notices)})
	}
}

// search looks for all of the secrets in all that was answered, in what an admin can
// list, and, by the end of Run, in log and files.
func (c *canaries) search() {
	d, ctx, t := c.door, c.t.Context(), c.t
	rows := 0
	for _, path := range []string{"/status", "/dashboard/status", "/dashboard", "/health", "/readyz", "/users", "/keys", "/clients", "/grants", "/profiles",
		"/audit", "/audit?format=ndjson", "/users/admin", "/openapi.json", "/admin", "/admin/keys", "/admin/clients", "/admin/grants", "/admin/users"} {
		a := c.ok(200)(d.Send(ctx, "GET", path, "", "Authorization", "Bearer "+gatewaytest.Key))
		switch {
		case strings.HasSuffix(path, "ndjson"):
			rows = strings.Count(a.Body, "\n")
		case path == "/dashboard" && !strings.Contains(a.Body, "cannot log in with ***"):
			t.Errorf("the dashboard does not show what a backend says of its secret: %s", a.Body)
		}
	}
	found := 0
	for _, s := range c.seen {
		found += len(c.g.Secrets().In(s.text))
		for _, kind := range c.g.Secrets().In(s.text, s.may...) {
			t.Errorf("%s answers with the %s: %.600s", s.request, kind, s.text)
		}
	}
	log, err := os.ReadFile(c.g.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d secrets, %d answers with %d secrets that they are there for, %d audit rows, %d lines of log", c.n, len(c.seen), found, rows, strings.Count(string(log), "\n"))
	if found < 20 || rows < 20 || !strings.Contains(string(log), "level=DEBUG") {
		t.Error("the search finds nothing where something is: it does not search")
	}
}
