package revoke_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/revoke"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// desks is whoever a request claims to be, if such a client exists.
type desks struct{ store *store.Store }

func (a *desks) Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (oauth.Client, *oauth.Error) {
	id, _, basic := r.BasicAuth()
	if !basic {
		id = p.Get("client_id")
	}
	c, err := a.store.Client(ctx, id)
	if err != nil {
		return oauth.Client{}, oauth.Errorf("invalid_client", "The client is unknown. Register it again.")
	}
	return c, nil
}

// recorder keeps audit records.
type recorder struct{ rows []account.Record }

func (r *recorder) Call(row account.Record) { r.rows = append(r.rows, row) }

// desk is the endpoint over a real store.
type desk struct {
	t     *testing.T
	store *store.Store
	mux   *http.ServeMux
	audit *recorder
	log   *bytes.Buffer
	now   time.Time
}

func newDesk(t *testing.T, change ...func(*revoke.Deps)) *desk {
	t.Helper()
	s := storetest.SQLite(t)
	d := &desk{t: t, store: s, mux: http.NewServeMux(), audit: &recorder{}, log: &bytes.Buffer{}, now: time.Now().Truncate(time.Millisecond).UTC()}
	must(t, s.CreateUser(t.Context(), account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}))
	for _, id := range []string{"dcr_app", "dcr_other"} {
		must(t, s.RegisterClient(t.Context(), oauth.Client{ID: id, Kind: oauth.Registered, Created: d.now, Metadata: oauth.Metadata{AuthMethod: oauth.AuthNone}}, 10))
	}
	deps := revoke.Deps{Clients: &desks{s}, Tokens: s, Audit: d.audit, Now: func() time.Time { return d.now }}
	for _, f := range change {
		f(&deps)
	}
	h, err := revoke.New(slog.New(slog.NewTextHandler(d.log, nil)), deps)
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

// granted is a fresh grant of anna for dcr_app with its tokens.
func (d *desk) granted() (g account.Grant, access, refresh string) {
	d.t.Helper()
	_, code := secret.NewToken(oauth.PrefixCode)
	must(d.t, d.store.CreateCode(d.t.Context(), oauth.Code{Hash: code, Client: "dcr_app", Resource: "/mcp", User: "anna", Rights: account.ReadRights(),
		Role: account.RoleMember, Expires: d.now.Add(time.Minute)}))
	a, ah := secret.NewToken(oauth.PrefixAccess)
	r, rh := secret.NewToken(oauth.PrefixRefresh)
	g, err := d.store.RedeemCode(d.t.Context(), code, d.now, func(oauth.Code) error { return nil }, func(account.Grant) oauth.Minted {
		return oauth.Minted{Access: ah, AccessExpires: d.now.Add(time.Hour), Refresh: rh, RefreshExpires: d.now.Add(time.Hour)}
	})
	must(d.t, err)
	return g, a.Reveal(), r.Reveal()
}

func (d *desk) live(access string) bool {
	d.t.Helper()
	_, err := d.store.LiveToken(d.t.Context(), secret.Hash(access))
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		d.t.Fatal(err)
	}
	return err == nil
}

func (d *desk) post(pairs ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return d.send("/oauth/revoke", "application/x-www-form-urlencoded", form.Encode())
}

func (d *desk) send(target, kind, body string) *httptest.ResponseRecorder {
	ctx := route.WithPeer(d.t.Context(), route.Peer{Addr: netip.MustParseAddr("203.0.113.7")})
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	return w
}

func (d *desk) wantOK(w *httptest.ResponseRecorder) {
	d.t.Helper()
	if w.Code != http.StatusOK || w.Body.String() != "{}" || w.Header().Get("Cache-Control") != "no-store" {
		d.t.Errorf("status %d, %v: %s", w.Code, w.Header(), w.Body)
	}
}

// Either token takes the whole grant along, whatever the hint says (A20; RFC 7009,
// 2.1).
func TestA20_revoke(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct {
		name   string
		access bool
		hint   string
	}{
		{name: "access token", access: true},
		{name: "refresh token"},
		{name: "access token, right hint", access: true, hint: "access_token"},
		{name: "access token, wrong hint", access: true, hint: "refresh_token"},
		{name: "refresh token, wrong hint", hint: "access_token"},
		{name: "refresh token, unknown hint", hint: "banana"},
	} {
		g, access, refresh := d.granted()
		_, others, _ := d.granted()
		token := refresh
		if c.access {
			token = access
		}
		d.audit.rows = nil
		d.wantOK(d.post("client_id", "dcr_app", "token", token, "token_type_hint", c.hint))
		found, err := d.store.RefreshToken(t.Context(), secret.Hash(refresh))
		must(t, err)
		if d.live(access) || found.Grant.Live(d.now) {
			t.Errorf("%s: the grant lives", c.name)
		}
		if !d.live(others) {
			t.Errorf("%s: another grant of the client is gone", c.name)
		}
		d.wantOK(d.post("client_id", "dcr_app", "token", token)) // once more
		want := []account.Record{{Time: d.now, User: "anna", Credential: g.ID, Client: "dcr_app", Method: "oauth/revoke", Target: g.ID, Decision: account.Allowed, Outcome: account.Succeeded}}
		if diff := cmp.Diff(want, d.audit.rows); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// What is no token of the client is answered like success and changes nothing.
func TestA20_nothingToRevoke(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, access, refresh := d.granted()
	never, _ := secret.NewToken(oauth.PrefixAccess)
	nor, _ := secret.NewToken(oauth.PrefixRefresh)
	key, _ := secret.NewToken(secret.PrefixKey)
	for _, token := range []string{never.Reveal(), nor.Reveal(), key.Reveal(), "x", access + "x", refresh[:50], strings.Repeat("x", 60000)} {
		d.wantOK(d.post("client_id", "dcr_app", "token", token))
	}
	d.wantOK(d.post("client_id", "dcr_other", "token", access))
	d.wantOK(d.post("client_id", "dcr_other", "token", refresh))
	if !d.live(access) || len(d.audit.rows) > 0 {
		t.Errorf("alive %v, records %+v", d.live(access), d.audit.rows)
	}
}

// Only clients may ask, in a form (A13, A18, A19).
func TestA19_requests(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	d := newDesk(t)
	_, access, _ := d.granted()
	for _, c := range []struct {
		name   string
		w      *httptest.ResponseRecorder
		status int
		word   string
	}{
		{"no client", d.post("token", access), http.StatusUnauthorized, "invalid_client"},
		{"unknown client", d.post("client_id", "dcr_nobody", "token", access), http.StatusUnauthorized, "invalid_client"},
		{"no token", d.post("client_id", "dcr_app"), http.StatusBadRequest, "invalid_request"},
		{"two tokens", d.post("client_id", "dcr_app", "token", access, "token", access), http.StatusBadRequest, "invalid_request"},
		{"in the query", d.send("/oauth/revoke?token="+access, form, "client_id=dcr_app"), http.StatusBadRequest, "invalid_request"},
		{"all in the query", d.send("/oauth/revoke?client_id=dcr_app&token="+access, form, ""), http.StatusUnauthorized, "invalid_client"},
		{"JSON", d.send("/revoke", "application/json", `{"client_id":"dcr_app","token":"`+access+`"}`), http.StatusBadRequest, "invalid_request"},
	} {
		if c.w.Code != c.status || !strings.Contains(c.w.Body.String(), `"error":"`+c.word+`"`) {
			t.Errorf("%s: status %d: %s", c.name, c.w.Code, c.w.Body)
		}
	}
	if !d.live(access) {
		t.Fatal("the token is gone")
	}
	d.wantOK(d.send("/revoke", form, "client_id=dcr_app&token="+access)) // R19
	if d.live(access) {
		t.Error("the token lives")
	}
}

// down is a store that does not answer, here or there.
type down struct {
	revoke.Tokens
	reads bool
}

var errDown = fmt.Errorf("read: %w", fault.Wrap(errors.New("dial db-7.internal"), fault.Unavailable, "The database does not answer. Try again in a moment."))

func (s down) LiveToken(ctx context.Context, hash [32]byte) (account.LiveToken, error) {
	if s.reads {
		return account.LiveToken{}, errDown
	}
	return s.Tokens.LiveToken(ctx, hash)
}

func (s down) RefreshToken(ctx context.Context, hash [32]byte) (oauth.Refresh, error) {
	if s.reads {
		return oauth.Refresh{}, errDown
	}
	return s.Tokens.RefreshToken(ctx, hash)
}

func (s down) RevokeToken(context.Context, [32]byte, string) error { return errDown }

// A client whose token could not be revoked must not believe that it was (RFC 7009,
// 2.2.1).
func TestStoreDown(t *testing.T) {
	t.Parallel()
	for _, reads := range []bool{true, false} {
		d := newDesk(t, func(deps *revoke.Deps) { deps.Tokens = down{deps.Tokens, reads} })
		_, access, refresh := d.granted()
		for _, token := range []string{access, refresh} {
			w := d.post("client_id", "dcr_app", "token", token)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "db-7") {
				t.Errorf("status %d, %v: %s", w.Code, w.Header(), w.Body)
			}
		}
		if n := strings.Count(d.log.String(), "db-7.internal"); n != 2 || strings.Contains(d.log.String(), access) || len(d.audit.rows) > 0 {
			t.Errorf("%d causes logged, %d records", n, len(d.audit.rows))
		}
	}
}

// One network cannot keep the store busy.
func TestTooOften(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 300 {
		d.wantOK(d.post("client_id", "dcr_app", "token", "x"))
	}
	if w := d.post("client_id", "dcr_app", "token", "x"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %v", w.Code, w.Header())
	}
	d.now = d.now.Add(time.Second)
	d.wantOK(d.post("client_id", "dcr_app", "token", "x"))
}

func TestR19_routes(t *testing.T) {
	t.Parallel()
	deps := revoke.Deps{Clients: &desks{}, Tokens: down{}, Audit: &recorder{}, Now: time.Now}
	h, err := revoke.New(slog.New(slog.DiscardHandler), deps)
	must(t, err)
	var patterns []string
	for _, r := range h.Routes() {
		patterns = append(patterns, r.Pattern)
		if !slices.Equal(r.Methods, []string{http.MethodPost}) || !r.AnyOrigin || r.Policy != route.Public {
			t.Errorf("route %+v", r)
		}
	}
	if !slices.Equal(patterns, []string{"/oauth/revoke", "/revoke"}) {
		t.Errorf("routes %v", patterns)
	}
	deps.Audit = nil
	if _, err := revoke.New(slog.New(slog.DiscardHandler), deps); err == nil {
		t.Error("made without an audit log")
	}
}
