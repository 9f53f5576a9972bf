// Package clientauth finds out which client sends a request to the token or the
// revocation endpoint, and has it prove that.
//
// A client proves itself in one way at a time: not at all (a public client, which
// PKCE protects), with its secret in the body or in HTTP Basic, or with a signed
// assertion (private_key_jwt: RFC 7523, OpenID Connect Core 9). Whoever fails is
// told invalid_client and no more, a client that does not exist like one whose
// secret is wrong: that word makes clients register anew. What cannot be decided now
// because a part is down is temporarily_unavailable instead, so that nobody throws a
// registration away that is still good.
//
// The client is the one in the store. No client document is fetched here; keys that
// a client publishes at a URL are, through egress, and kept for when that URL is down.
//
// token and revoke call it.
package clientauth

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
	"drawbridge/internal/limit"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

// maxID bounds a client id: some are URLs.
const maxID = 2 << 10

// Clients knows the clients; an unknown one is fault.NotFound.
type Clients interface {
	Client(ctx context.Context, id string) (oauth.Client, error)
}

// Marks notes what may be used once. first is true for exactly one of all calls with
// the same kind and value before until.
type Marks interface {
	UseOnce(ctx context.Context, kind string, value [32]byte, until time.Time) (first bool, err error)
}

// Fetcher fetches keys. An egress.Client is one, with at least MaxKeys bytes.
type Fetcher interface {
	Get(ctx context.Context, url, accept string) (egress.Response, error)
}

// Deps is what an Authenticator stands on.
type Deps struct {
	Clients Clients
	Marks   Marks
	Fetcher Fetcher
	Base    func() string // the issuer
}

// Authenticator authenticates clients. Safe for concurrent use.
type Authenticator struct {
	deps  Deps
	keys  *keyRing
	marks *limit.Buckets // assertions of a client
}

// New makes an Authenticator.
func New(log *slog.Logger, deps Deps) (*Authenticator, error) {
	if log == nil || deps.Clients == nil || deps.Marks == nil || deps.Fetcher == nil || deps.Base == nil {
		return nil, errors.New("clientauth needs a logger, clients, marks, a fetcher and a base")
	}
	return &Authenticator{deps: deps, keys: newKeyRing(log, deps.Fetcher), marks: limit.New(perMinute, time.Minute, perMinute, remembered)}, nil
}

// Authenticate finds the client of a request with the parameters p and checks its
// proof. Only a client whose grants its own code and PKCE protect may come without
// one: whoever hands out tokens for less has to ask the client for a proof itself.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (oauth.Client, *oauth.Error) {
	got, err := read(r, p)
	if err != nil {
		return oauth.Client{}, refuse(err)
	}
	c, err := a.deps.Clients.Client(ctx, got.id)
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return oauth.Client{}, refuse(err)
	case err != nil:
		return oauth.Client{}, oauth.FromFault(err)
	}
	if err := a.prove(ctx, &c, got); err != nil {
		return oauth.Client{}, err
	}
	return c, nil
}

// prove checks what a client presented against what it has to present.
//
// ChatGPT's document names private_key_jwt and lists none beside it as a method that
// it can use where a server has nothing better. We advertise private_key_jwt, so it
// signs, and a client that can sign has to: else whoever has its refresh token would
// not need its key. Its metadata as we keep them have the one method that counts.
func (a *Authenticator) prove(ctx context.Context, c *oauth.Client, got presented) *oauth.Error {
	registered := c.Metadata.AuthMethod
	switch got.method {
	case oauth.AuthJWT:
		if registered != oauth.AuthJWT {
			return refuse(errors.New("the client does not use assertions"))
		}
		return a.checkAssertion(ctx, c, got.assertion)
	case oauth.AuthPost, oauth.AuthBasic:
		// Both, whichever was registered: claude.ai sends a typed secret in the body, and
		// others take the first method that we advertise.
		if registered == oauth.AuthJWT || !c.HasSecret() {
			return refuse(errors.New("the client has no secret"))
		}
		if sent := secret.Hash(got.secret); subtle.ConstantTimeCompare(sent[:], c.SecretHash[:]) != 1 {
			return refuse(errors.New("the secret is wrong"))
		}
		return nil
	}
	if registered != oauth.AuthNone || c.HasSecret() {
		return refuse(errors.New("the client presented nothing"))
	}
	return nil
}

// presented is what a request says about its client.
type presented struct {
	id        string
	method    string
	secret    string
	assertion string
}

// read takes the client's id and its one proof from the header and the parameters.
func read(r *http.Request, p oauth.Params) (presented, error) {
	got := presented{id: p.Get("client_id"), method: oauth.AuthNone}
	ways := 0
	if r.Header["Authorization"] != nil {
		id, word, err := basic(r)
		if err != nil {
			return got, err
		}
		if got.id != "" && got.id != id {
			return got, errors.New("two client ids")
		}
		got.id = id
		// LibreChat sends the id of a public client so, with nothing after the colon.
		if word != "" {
			got.method, got.secret = oauth.AuthBasic, word
		}
		ways++
	}
	// An empty client_secret is none: old clients without one send it.
	if p.Has("client_secret") {
		got.method, got.secret = oauth.AuthPost, p.Get("client_secret")
		ways++
	}
	if p.Has("client_assertion") || p.Has("client_assertion_type") {
		got.method, got.assertion = oauth.AuthJWT, p.Get("client_assertion")
		ways++
		if err := readAssertion(&got, p.Get("client_assertion_type")); err != nil {
			return got, err
		}
	}
	switch {
	case ways > 1: // RFC 6749, 2.3
		return got, errors.New("more than one method")
	case got.id == "" || len(got.id) > maxID:
		return got, errors.New("client id missing or too long")
	}
	return got, nil
}

// basic reads HTTP Basic, both parts of which are form-encoded first (RFC 6749, 2.3.1).
func basic(r *http.Request) (id, word string, err error) {
	if len(r.Header["Authorization"]) != 1 {
		return "", "", errors.New("more than one Authorization header")
	}
	id, word, ok := r.BasicAuth()
	if !ok {
		return "", "", errors.New("the Authorization header is not Basic")
	}
	if id, err = url.QueryUnescape(id); err != nil {
		return "", "", errors.New("the id in the Authorization header cannot be decoded")
	}
	if word, err = url.QueryUnescape(word); err != nil {
		return "", "", errors.New("the secret in the Authorization header cannot be decoded")
	}
	return id, word, nil
}

// refuse is the one answer to whoever is not the client that he says; the cause is for
// the log.
func refuse(cause error) *oauth.Error {
	return &oauth.Error{Word: "invalid_client", Status: http.StatusUnauthorized, Err: cause,
		Public: "The client is not known here or did not prove who it is. Register it again, or correct its credentials."}
}

// network is where a request comes from, for limits.
func network(ctx context.Context) string { return limit.Network(route.PeerFrom(ctx).Addr) }
