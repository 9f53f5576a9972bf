package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/token"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

// The address without /oauth is the same, and pages of any origin may use both: what
// they send they must know already (R4, R19).
func TestR19_routes(t *testing.T) {
	t.Parallel()
	h, err := token.New(slog.New(slog.DiscardHandler), token.Deps{Clients: &desks{}, Codes: broken{}, Refreshes: broken{}, Machines: broken{}, Audit: &recorder{},
		Base: func() string { return base }, Now: time.Now}, token.Config{AccessTTL: accessTTL, RefreshTTL: refreshTTL})
	must(t, err)
	var patterns []string
	for _, r := range h.Routes() {
		patterns = append(patterns, r.Pattern)
		if !slices.Equal(r.Methods, []string{http.MethodPost}) || !r.AnyOrigin || r.Policy != route.Public || r.Resource != "" {
			t.Errorf("route %+v", r)
		}
	}
	if !slices.Equal(patterns, []string{"/oauth/token", "/token"}) {
		t.Errorf("routes %v", patterns)
	}
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	full := token.Deps{Clients: &desks{}, Codes: broken{}, Refreshes: broken{}, Machines: broken{}, Audit: &recorder{}, Base: func() string { return base }, Now: time.Now}
	lacking := full
	lacking.Audit = nil
	for name, try := range map[string]func() error{
		"no log": func() error {
			_, err := token.New(nil, full, token.Config{AccessTTL: 1e9, RefreshTTL: 1e9})
			return err
		},
		"no audit": func() error {
			_, err := token.New(log, lacking, token.Config{AccessTTL: 1e9, RefreshTTL: 1e9})
			return err
		},
		"no access life": func() error { _, err := token.New(log, full, token.Config{RefreshTTL: 1e9}); return err },
		"no refresh life": func() error {
			_, err := token.New(log, full, token.Config{AccessTTL: 1e9, RefreshTTL: -1})
			return err
		},
	} {
		if try() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// broken is a store that fails at the last moment: when the tokens are made already.
type broken struct{}

var errBroken = fault.Wrap(errors.New("disk of db-7.internal is full"), fault.Unavailable, "The database cannot be written. Try again in a moment.")

func (broken) RedeemCode(_ context.Context, _ [32]byte, _ time.Time, _ func(oauth.Code) error, mint func(account.Grant) oauth.Minted) (account.Grant, error) {
	mint(account.Grant{ID: "grant_x", Created: time.Now()})
	return account.Grant{}, fmt.Errorf("redeem code: %w", errBroken)
}

func (broken) RefreshToken(context.Context, [32]byte) (oauth.Refresh, error) {
	return oauth.Refresh{Grant: account.Grant{ID: "grant_x", Client: "dcr_app", Resource: "/mcp", Created: time.Now()}, Expires: time.Now().Add(time.Hour)}, nil
}

func (broken) Rotate(context.Context, oauth.Rotation) ([]byte, error) { return nil, errBroken }

func (broken) MachineToken(_ context.Context, _ oauth.Client, _ string, _ time.Time, mint func(account.Grant) oauth.Minted) (account.Grant, error) {
	mint(account.Grant{ID: "grant_x", Created: time.Now()})
	return account.Grant{}, errBroken
}

// A store that is down is answered with 503 and no token, and the reason stays in
// the log (design 4.3, F8).
func TestStoreDown(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(deps *token.Deps) { deps.Codes, deps.Refreshes, deps.Machines = broken{}, broken{}, broken{} })
	d.machine("robot")
	refresh, _ := secret.NewToken(oauth.PrefixRefresh)
	for name, a := range map[string]answer{"code": d.redeem(d.code()), "refresh": d.renew(refresh.Reveal()), "machine": d.run("robot")} {
		d.wantError(a, http.StatusServiceUnavailable, "temporarily_unavailable")
		if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "db-7") {
			t.Errorf("%s: %v %s", name, a.header, a.body)
		}
	}
	if n := strings.Count(d.log.String(), "disk of db-7.internal is full"); n != 3 {
		t.Errorf("%d causes in the log:\n%s", n, d.log)
	}
	if rows := d.audit.take(); len(rows) > 0 {
		t.Errorf("records %+v", rows)
	}
}

// A network can ask for only so much; claude.ai's, which asks for many people, has a
// share of its own, and nobody elsewhere can use that up (C1, R11).
func TestR11_networks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ask := func(addr string, n int) (refused int) {
		for range n {
			a := d.from(addr, "grant_type", "authorization_code", "client_id", "dcr_app", "code", "dbc_x")
			if a.status == http.StatusTooManyRequests {
				refused++
				if a.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
		}
		return refused
	}
	if n := ask("198.51.100.1", 100); n != 40 {
		t.Errorf("%d of 100 refused", n)
	}
	if n := ask("198.51.100.2", 1); n != 0 {
		t.Error("a neighbour is refused")
	}
	if n := ask("2001:db8:1:2::3", 60) + ask("2001:db8:1:2:ffff::4", 1); n != 1 {
		t.Errorf("%d of 61 in one /64 refused", n)
	}
	for i := range 8 { // many addresses, one network
		if n := ask(fmt.Sprintf("160.79.104.%d", i), 60); n != 0 {
			t.Fatalf("%d of claude.ai's are refused", n)
		}
	}
	// Each grant type has its own share.
	d.wantError(d.from("198.51.100.1", "grant_type", "client_credentials", "client_id", "dcr_app"), http.StatusBadRequest, "unauthorized_client")
	d.wantError(d.from("198.51.100.1", "grant_type", "refresh_token", "client_id", "dcr_app", "refresh_token", "dbr_x"), http.StatusBadRequest, "invalid_grant")
	d.wait(time.Minute)
	if n := ask("198.51.100.1", 1); n != 0 {
		t.Error("still refused after a minute")
	}
}

// All networks of a site together have a share, too.
func TestR11_sites(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	refused := 0
	for i := range 300 {
		a := d.from(fmt.Sprintf("2001:db8:1:%x::1", i), "grant_type", "authorization_code", "client_id", "dcr_app", "code", "dbc_x")
		if a.status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 60 {
		t.Errorf("%d of 300 from one /48 refused", refused)
	}
	d.wantError(d.from("2001:db8:2::1", "grant_type", "authorization_code", "client_id", "dcr_app", "code", "dbc_x"), http.StatusBadRequest, "invalid_grant")
}

// claude.ai's grant types are counted one beside the other.
func TestR11_service(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	refused := 0
	for range 610 {
		a := d.from("160.79.104.1", "grant_type", "authorization_code", "client_id", "dcr_app", "code", "dbc_x")
		d.from("160.79.104.2", "grant_type", "client_credentials", "client_id", "dcr_app")
		if a.status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d of 610 refused", refused)
	}
}

// Who has many networks cannot fill the audit log with refusals, and neither can all
// together. What ends a grant is recorded all the same.
func TestRefusals_recorded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	victim := d.granted()
	d.wantOK(d.renew(victim.Refresh))
	d.audit.take()
	try := func(site, n int) int {
		for i := range n {
			d.wantError(d.from(fmt.Sprintf("2001:db8:%x:%x::1", site, i), "grant_type", "refresh_token", "client_id", "dcr_app", "refresh_token", "dbr_x"), http.StatusBadRequest, "invalid_grant")
		}
		return len(d.audit.take())
	}
	if n := try(1, 200); n != 60 {
		t.Errorf("200 networks of one /48 leave %d records", n)
	}
	sum := 60
	for site := range 20 {
		sum += try(2+site, 30)
	}
	if sum != 300 {
		t.Errorf("21 sites leave %d records", sum)
	}
	d.wait(2 * oauth.ReplayWindow)
	if n := try(30, 300); n > 34 {
		t.Errorf("%d records two minutes later", n)
	}
	d.renew(victim.Refresh)
	if rows := d.audit.take(); len(rows) != 1 || rows[0].Credential == "" {
		t.Errorf("the end of a grant left %+v", rows)
	}
}

// No credential is in the log, in the audit log, or in an error (T21).
func TestT21_secrets(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.machine("robot")
	code := d.code()
	first := d.redeem(code)
	next := d.renew(first.Refresh)
	machine := d.run("robot")
	var said strings.Builder
	for _, a := range []answer{d.redeem(code), d.renew(first.Refresh), d.renew(next.Refresh, "scope", "admin"), d.run("robot", "client_secret", appSecret+"x")} {
		if a.status < 400 {
			t.Errorf("status %d: %s", a.status, a.body)
		}
		said.WriteString(a.body)
	}
	fmt.Fprintf(&said, "%s %+v", d.log, d.audit.take())
	for _, canary := range []string{code, verifier, appSecret, first.Access, first.Refresh, next.Access, next.Refresh, machine.Access} {
		if strings.Contains(said.String(), canary) {
			t.Errorf("%.8s… shows", canary)
		}
	}
}

// FuzzForm: whatever is posted, the answer is an error of the specifications.
func FuzzForm(f *testing.F) {
	f.Add("grant_type=authorization_code&client_id=dcr_app&code=x&code_verifier=y&redirect_uri=z&resource=a&resource=b")
	f.Add("grant_type=refresh_token&client_id=dcr_app&refresh_token=x&scope=mcp%3Aread+admin")
	f.Add("grant_type=client_credentials&scope=&resource=https%3A%2F%2Fgate.example.com%2Fmcp%2Fx")
	f.Add("grant_type=%zz&a;b")
	words := []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target"}
	f.Fuzz(func(t *testing.T, body string) {
		h, err := token.New(slog.New(slog.DiscardHandler), token.Deps{Clients: anyone{}, Codes: empty{}, Refreshes: empty{}, Machines: empty{}, Audit: &recorder{},
			Base: func() string { return base }, Now: time.Now}, token.Config{AccessTTL: accessTTL, RefreshTTL: refreshTTL})
		must(t, err)
		mux := http.NewServeMux()
		mount(mux, h.Routes())
		d := &desk{t: t, mux: mux}
		a := d.send(http.MethodPost, "/oauth/token", form, body, home)
		if a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized && a.status != http.StatusRequestEntityTooLarge || !slices.Contains(words, a.Error) {
			t.Fatalf("%q: status %d: %s", body, a.status, a.body)
		}
	})
}

// anyone is whoever it claims to be, but never a machine.
type anyone struct{}

func (anyone) Authenticate(_ context.Context, _ *http.Request, p oauth.Params) (oauth.Client, *oauth.Error) {
	return oauth.Client{ID: p.Get("client_id"), Kind: oauth.Registered}, nil
}

// empty is a store without a code or token.
type empty struct{ broken }

func (empty) RedeemCode(context.Context, [32]byte, time.Time, func(oauth.Code) error, func(account.Grant) oauth.Minted) (account.Grant, error) {
	return account.Grant{}, oauth.Errorf("invalid_grant", "There is no such code. Authorize again.")
}

func (empty) RefreshToken(context.Context, [32]byte) (oauth.Refresh, error) {
	return oauth.Refresh{}, oauth.Errorf("invalid_grant", "There is no such token. Authorize again.")
}

// A client that hangs up is no fault of ours.
func TestClientGone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(deps *token.Deps) { deps.Codes = broken{} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/oauth/token", strings.NewReader("grant_type=authorization_code&client_id=dcr_app&code="+d.code()))
	r.Header = form
	d.mux.ServeHTTP(httptest.NewRecorder(), r)
	if d.log.Len() > 0 {
		t.Errorf("logged: %s", d.log)
	}
}
