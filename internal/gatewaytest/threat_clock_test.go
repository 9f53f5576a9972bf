package gatewaytest_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/token"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// clockface is a clock that somebody sets.
type clockface struct{ at time.Time }

func (c *clockface) now() time.Time { return c.at }

// known takes every client's word for who it is.
type known struct{ *store.Store }

func (k known) Authenticate(ctx context.Context, _ *http.Request, p oauth.Params) (oauth.Client, *oauth.Error) {
	c, err := k.Client(ctx, p.Get("client_id"))
	if err != nil {
		return c, oauth.FromFault(err)
	}
	return c, nil
}

type noAudit struct{}

func (noAudit) Call(account.Record) {}

// timed is a token endpoint over a real store, by a clock of the test's own.
type timed struct {
	t     *testing.T
	clock *clockface
	store *store.Store
	at    http.Handler
}

const clockVerifier = "verifier-verifier-verifier-verifier-verifier-verifier-"

func newTimed(t *testing.T) *timed {
	t.Helper()
	d := &timed{t: t, clock: &clockface{time.Now()}, store: storetest.Open(t, store.Config{StateDir: t.TempDir()})}
	err := d.store.CreateUser(t.Context(), account.User{ID: "anna", Name: "Anna", Role: account.RoleMember})
	if err == nil {
		err = d.store.RegisterClient(t.Context(), oauth.Client{ID: "dcr_x", Metadata: oauth.Metadata{RedirectURIs: []string{gatewaytest.Redirect}}}, 10)
	}
	if err != nil {
		t.Fatal(err)
	}
	h, err := token.New(slog.New(slog.DiscardHandler), token.Deps{Clients: known{d.store}, Codes: d.store, Refreshes: d.store, Machines: d.store,
		Audit: noAudit{}, Base: func() string { return "https://gate.example" }, Now: d.clock.now},
		token.Config{AccessTTL: time.Hour, RefreshTTL: 30 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	d.at = h.Routes()[0].Handler
	return d
}

// code is a consent that was just given.
func (d *timed) code() string {
	d.t.Helper()
	value, hash := secret.NewToken(oauth.PrefixCode)
	err := d.store.CreateCode(d.t.Context(), oauth.Code{Hash: hash, Client: "dcr_x", RedirectURI: gatewaytest.Redirect, Challenge: gatewaytest.Challenge(clockVerifier),
		Resource: oauth.DefaultResource, User: "anna", Rights: account.ReadRights(), Role: account.RoleMember, Expires: d.clock.at.Add(oauth.CodeLife)})
	if err != nil {
		d.t.Fatal(err)
	}
	return value.Reveal()
}

// answered is what the endpoint says.
type answered struct {
	status int
	whole  string
	Access string `json:"access_token"`
	Next   string `json:"refresh_token"`
	Error  string `json:"error"`
}

func (d *timed) post(form url.Values) (a answered) {
	d.t.Helper()
	form.Set("client_id", "dcr_x")
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	d.at.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		d.t.Fatalf("%d %s", w.Code, w.Body)
	}
	a.status, a.whole = w.Code, w.Body.String()
	return a
}

func (d *timed) redeem(code string) answered {
	return d.post(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {clockVerifier}})
}

func (d *timed) refresh(token string) answered {
	return d.post(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// Threat A24: the clock of the machine is set, by an hour or a day, forward or back,
// while somebody is signed in. Nobody who did nothing wrong is signed out for it: the
// chain of refresh tokens goes on, and so does the answer for a client that lost it.
func TestA24_clockIsSet(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"an hour on": time.Hour, "an hour back": -time.Hour, "a day on": 24 * time.Hour, "a day back": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTimed(t)
			first := d.redeem(d.code())
			if first.status != http.StatusOK {
				t.Fatal(first.whole)
			}
			d.clock.at = d.clock.at.Add(jump)
			second := d.refresh(first.Next)
			if second.status != http.StatusOK {
				t.Fatalf("after the jump: %s", second.whole)
			}
			d.clock.at = d.clock.at.Add(10 * time.Second)
			if lost := d.refresh(first.Next); lost.whole != second.whole {
				t.Errorf("the lost answer: %s", lost.whole)
			}
			if jump < 0 { // and once more while the answer is on its way
				d.clock.at = d.clock.at.Add(jump)
				if lost := d.refresh(first.Next); lost.whole != second.whole {
					t.Errorf("the lost answer, from the future: %s", lost.whole)
				}
				d.clock.at = d.clock.at.Add(-jump)
			}
			d.clock.at = d.clock.at.Add(-jump)
			third := d.refresh(second.Next)
			if third.status != http.StatusOK {
				t.Errorf("after the way back: %s", third.whole)
			}
			if late := d.refresh(second.Next); late.whole != third.whole {
				t.Errorf("the lost answer after the way back: %s", late.whole)
			}
			if again := d.redeem(d.code()); again.status != http.StatusOK {
				t.Errorf("somebody else after the way back: %s", again.whole)
			}
		})
	}
}

// TestA24_codeLives: a code is good for its 60 seconds, and not at their end.
func TestA24_codeLives(t *testing.T) {
	t.Parallel()
	for after, status := range map[time.Duration]int{
		0: 200, oauth.CodeLife - time.Millisecond: 200, oauth.CodeLife: 400, time.Hour: 400, 24 * time.Hour: 400,
	} {
		d := newTimed(t)
		code := d.code()
		d.clock.at = d.clock.at.Add(after)
		if a := d.redeem(code); a.status != status || status == 400 && a.Error != "invalid_grant" {
			t.Errorf("after %s: %d %s", after, a.status, a.whole)
		}
	}
}
