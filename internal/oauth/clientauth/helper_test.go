package clientauth_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/clientauth"
	"drawbridge/internal/route"
)

const (
	base    = "https://gateway.example.org"
	keysURL = "https://client.example.org/keys"
)

// fakeClients is a store of clients that can be down.
type fakeClients struct {
	byID map[string]oauth.Client
	down error
}

func (f *fakeClients) Client(_ context.Context, id string) (oauth.Client, error) {
	if f.down != nil {
		return oauth.Client{}, f.down
	}
	if c, ok := f.byID[id]; ok {
		return c, nil
	}
	return oauth.Client{}, fault.New(fault.NotFound, "no such client")
}

// fakeMarks remembers what was used, until then.
type fakeMarks struct {
	mu    sync.Mutex // guards the rest
	until map[[32]byte]time.Time
	down  error
}

func (f *fakeMarks) UseOnce(_ context.Context, kind string, value [32]byte, until time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return false, f.down
	}
	if kind != "client_assertion" || !until.After(time.Now()) {
		return false, errors.New("a mark of no use")
	}
	if old, used := f.until[value]; used && time.Now().Before(old) {
		return false, nil
	}
	f.until[value] = until
	return true, nil
}

func (f *fakeMarks) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.until)
}

// fakeWeb serves key sets and counts how often they are asked for.
type fakeWeb struct {
	mu    sync.Mutex // guards the rest
	sets  map[string][]byte
	code  int // 0: 200
	asked int
	down  error
}

func (f *fakeWeb) Get(_ context.Context, url, _ string) (egress.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.down != nil {
		return egress.Response{}, f.down
	}
	body, ok := f.sets[url]
	if !ok {
		return egress.Response{Status: http.StatusNotFound}, nil
	}
	return egress.Response{Status: cmp.Or(f.code, http.StatusOK), Body: body}, nil
}

func (f *fakeWeb) set(t testing.TB, keys ...jose.JSONWebKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets = map[string][]byte{keysURL: keySet(t, keys...)}
}

func (f *fakeWeb) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// bench is an Authenticator with all that it stands on.
type bench struct {
	auth    *clientauth.Authenticator
	clients *fakeClients
	marks   *fakeMarks
	web     *fakeWeb
}

func newBench(t testing.TB, clients ...oauth.Client) *bench {
	t.Helper()
	b := &bench{clients: &fakeClients{byID: map[string]oauth.Client{}}, marks: &fakeMarks{until: map[[32]byte]time.Time{}}, web: &fakeWeb{}}
	for _, c := range clients {
		b.clients.byID[c.ID] = c
	}
	b.auth = authenticator(t, b, b.web)
	return b
}

func authenticator(t testing.TB, b *bench, web clientauth.Fetcher) *clientauth.Authenticator {
	t.Helper()
	a, err := clientauth.New(slog.New(slog.DiscardHandler), clientauth.Deps{Clients: b.clients, Marks: b.marks, Fetcher: web, Base: func() string { return base }})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try authenticates a request with these parameters and Authorization headers.
func (b *bench) try(t testing.TB, form url.Values, headers ...string) (oauth.Client, *oauth.Error) {
	t.Helper()
	p, perr := oauth.ParseParams(form.Encode())
	if perr != nil {
		t.Fatal(perr)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth/token", nil)
	for _, h := range headers {
		r.Header.Add("Authorization", h)
	}
	ctx := route.WithPeer(t.Context(), route.Peer{Addr: netip.MustParseAddr("192.0.2.1")})
	return b.auth.Authenticate(ctx, r, p)
}

// refused tells whether an error is the one for clients that prove nothing.
func refused(err *oauth.Error) bool {
	return err != nil && err.Word == "invalid_client" && err.Status == http.StatusUnauthorized &&
		err.Public == "The client is not known here or did not prove who it is. Register it again, or correct its credentials."
}

// later tells whether an error asks to come back.
func later(err *oauth.Error) bool {
	return err != nil && err.Word == "temporarily_unavailable" && err.Status == http.StatusServiceUnavailable && err.After > 0
}

// keys are made once: RSA takes its time.
var keys = sync.OnceValue(func() (k struct {
	rsa, other, short *rsa.PrivateKey
	ec                *ecdsa.PrivateKey
	ed                ed25519.PrivateKey
}) {
	for size, into := range map[int]**rsa.PrivateKey{2048: &k.rsa, 2049: &k.other, 1024: &k.short} {
		key, err := rsa.GenerateKey(rand.Reader, size)
		if err != nil {
			panic(err)
		}
		*into = key
	}
	var err error
	if k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	if _, k.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return k
})

// public is the public key of a private one, under a name.
func public(kid string, private crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: kid, Key: private.Public(), Use: "sig"}
}

func keySet(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// ticket is an assertion to be: good as made by newTicket, then spoilt.
type ticket struct {
	alg    jose.SignatureAlgorithm
	key    any
	kid    string
	header map[jose.HeaderKey]any
	claims map[string]any
	raw    string // the payload instead of claims
	form   url.Values
	basic  string
	sealed func(string) string
}

func newTicket(id string) *ticket {
	now := time.Now().Unix()
	return &ticket{alg: jose.RS256, key: keys().rsa, kid: "one", header: map[jose.HeaderKey]any{},
		claims: map[string]any{"iss": id, "sub": id, "aud": base, "jti": rand.Text(), "iat": now, "exp": now + 60},
		form:   url.Values{"client_id": {id}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}}
}

// sign gives the form with the assertion.
func (k *ticket) sign(t testing.TB) url.Values {
	t.Helper()
	o := &jose.SignerOptions{ExtraHeaders: maps.Clone(k.header)}
	if k.kid != "" {
		o = o.WithHeader("kid", k.kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: k.key}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(k.raw)
	if k.raw == "" {
		if payload, err = json.Marshal(k.claims); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if k.sealed != nil {
		compact = k.sealed(compact)
	}
	form := maps.Clone(k.form)
	form.Set("client_assertion", compact)
	return form
}

func (b *bench) ticket(t testing.TB, k *ticket) *oauth.Error {
	t.Helper()
	form := k.sign(t)
	if k.basic != "" {
		_, err := b.try(t, form, k.basic)
		return err
	}
	_, err := b.try(t, form)
	return err
}
