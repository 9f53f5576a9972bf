// Package auth turns the credential on a request into a principal.
//
// The rule that everything here serves: there is no way to an identity but a
// live credential. A request has exactly one Authorization header with a bearer
// token that is known, live, for this resource and of a user who is let in;
// everything else is an error, and an error never comes with a principal. When
// the store cannot vouch for a credential the answer is 503, not 401, so that
// clients do not throw good ones away.
//
// There are three realms, and none opens another's doors: API keys, access tokens
// of OAuth clients, and browsers that are signed in, which open the admin pages
// alone. httpd calls Authenticate and AuthenticateAdmin on every route that is not
// public; Recheck is asked while a long stream is open, and Alive while a call runs.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

const (
	// MinStatic is how long a static key has to be: it is not of our making, so
	// nothing but its length speaks for it.
	MinStatic = 32

	// staticCredential is the credential of whoever brings the static key.
	staticCredential = "static"

	loadLimit = 5 * time.Second // for reading the keys, or one token
	failPause = time.Second     // after reading the keys failed, before the next try
)

// The reasons why a request is refused; each is a *fault.Error.
var (
	ErrNoCredential = fault.New(fault.Unauthenticated, "This address needs a credential. Sign in with OAuth, or send a key as `Authorization: Bearer KEY`; `drawbridge key create --name NAME` makes one.")
	ErrMalformed    = fault.New(fault.Unauthenticated, "The Authorization header cannot be read. Send exactly one, as `Authorization: Bearer KEY`.")
	ErrUnknown      = fault.New(fault.Unauthenticated, "This credential is unknown, expired, revoked or not for this address. Sign in again, or use another key; `drawbridge key create --name NAME` makes one.")
	ErrNotAdmin     = fault.New(fault.Forbidden, "This needs an admin's credential: an admin key, a browser signed in as an admin, or an access token with the scope admin. An admin gives that scope to a client at consent, once the client is allowed to ask for it (`drawbridge client allow-admin`).")
)

// Keys is what the verifier needs of the store for API keys, and to notice changes.
type Keys interface {
	// LiveKeys lists the keys that may be used.
	LiveKeys(ctx context.Context) ([]account.LiveKey, error)
	Profiles(ctx context.Context) ([]account.Profile, error)
	// KeysVersion rises with every change of who may come in and what they may do:
	// at once for changes of this process, within a second for others. It fails
	// when the store cannot tell. It is called on every request and must not block.
	KeysVersion() (uint64, error)
}

// Grants is what the verifier needs of the store for access tokens.
type Grants interface {
	// LiveToken finds an access token by its hash, and LiveGrant a grant by its id;
	// fault.NotFound where it may not be used.
	LiveToken(ctx context.Context, access [32]byte) (account.LiveToken, error)
	LiveGrant(ctx context.Context, id string) (account.LiveToken, error)
}

// Browsers finds the admin who is signed in with the browser that sent a request.
type Browsers interface {
	Authenticate(r *http.Request) (account.Principal, error)
}

// Config is what an operator may set.
type Config struct {
	Static secret.String // GATEWAY_STATIC_API_KEY; empty: there is none
}

// Deps are the parts a Verifier is joined to.
type Deps struct {
	Log      *slog.Logger
	Keys     Keys
	Grants   Grants
	Uses     Uses
	Browsers Browsers
}

// Verifier checks credentials. Safe for concurrent use.
type Verifier struct {
	deps   Deps
	static *entry // nil: no static key
	ledger ledger
	tokens tokens

	live     atomic.Pointer[snapshot]
	loading  sync.Mutex // held while a snapshot is read, so that one request does it; guards the next two
	failed   error      // of the last try to read one
	failedAt time.Time
}

// New makes a verifier. It reads no keys yet: a store that is down at the start
// makes requests fail, not the start.
func New(cfg Config, deps Deps) (*Verifier, error) {
	if deps.Log == nil || deps.Keys == nil || deps.Grants == nil || deps.Uses == nil || deps.Browsers == nil {
		return nil, errors.New("auth: a dependency is missing")
	}
	v := &Verifier{deps: deps}
	if cfg.Static.Empty() {
		return v, nil
	}
	static := cfg.Static.Reveal()
	if len(static) < MinStatic {
		return nil, fault.New(fault.Invalid, "GATEWAY_STATIC_API_KEY has %d characters and needs at least %d. Make one with `openssl rand -hex 32`.", len(static), MinStatic)
	}
	if !wellFormed(static) {
		return nil, fault.New(fault.Invalid, "GATEWAY_STATIC_API_KEY has a character that a header cannot carry, or more than %d of them. Make one with `openssl rand -hex 32`.", maxToken)
	}
	v.static = newEntry(account.Principal{User: account.Admin, Credential: staticCredential, Role: account.RoleAdmin}, account.FullRights(), "", new(use))
	v.static.hash = secret.Hash(static)
	return v, nil
}

// Authenticate finds the principal of a request for a protected resource, named by
// its path, or "" for what any credential may ask. The error is a *fault.Error: one
// of the Err values above, NotFound for a profile that does not exist, or
// Unavailable when the store cannot tell.
func (v *Verifier) Authenticate(r *http.Request, resource string) (account.Principal, error) {
	token, err := bearer(r.Header)
	if err != nil {
		return account.Principal{}, err
	}
	var buf [maxToken]byte
	hash := sha256.Sum256(buf[:copy(buf[:], token)])
	live, err := v.current(r.Context())
	if err != nil {
		// A comparison of hashes tells nothing by its time that helps to guess a token.
		if v.static != nil && hash == v.static.hash && oauth.ProfileOf(resource) == "" {
			return *v.static.plain, nil // it needs no store
		}
		return account.Principal{}, err
	}
	found := live.byHash[hash]
	if found == nil {
		if found, err = v.tokens.find(r.Context(), v, token, hash, live.version); err != nil {
			return account.Principal{}, err
		}
	}
	now := time.Now()
	switch {
	case found == nil || !found.live(now):
		return account.Principal{}, ErrUnknown
	case resource != "" && found.resource != "" && found.resource != resource:
		return account.Principal{}, ErrUnknown
	case len(found.from) > 0 && !from(found.from, route.PeerFrom(r.Context())):
		return account.Principal{}, ErrUnknown
	}
	found.use.at.Store(now.UnixMilli())
	return found.at(resource, live)
}

// from tells whether a peer is in one of some networks. Of one that came through a
// proxy which nobody trusts, that is not known.
func from(networks []netip.Prefix, peer route.Peer) bool {
	return !peer.Relayed && account.FromNetwork(networks, peer.Addr)
}

// AuthenticateAdmin finds the admin behind a request: by a bearer credential, or by
// the browser session where there is none.
func (v *Verifier) AuthenticateAdmin(r *http.Request) (account.Principal, error) {
	if len(r.Header["Authorization"]) == 0 {
		return v.deps.Browsers.Authenticate(r)
	}
	p, err := v.Authenticate(r, "")
	if err != nil {
		return account.Principal{}, err
	}
	if p.Role != account.RoleAdmin || p.Profile != "" { // what is bound to a profile is for its address alone
		return account.Principal{}, ErrNotAdmin
	}
	return p, nil
}

// Recheck tells whether a principal that Authenticate gave would still be given:
// nil, ErrUnknown, or Unavailable. For streams that outlive their request's check.
// A stream outlives the access token that opened it, but not its grant.
func (v *Verifier) Recheck(ctx context.Context, p account.Principal) error {
	now, err := v.today(ctx, p)
	if err == nil && !holds(p, now) {
		return ErrUnknown
	}
	return err
}

// Alive is Recheck for calls that run: it tells whether the credential may still be
// used where it was, whatever it may do there today.
func (v *Verifier) Alive(ctx context.Context, p account.Principal) error {
	_, err := v.today(ctx, p)
	return err
}

// today is the principal that p's credential would give now.
func (v *Verifier) today(ctx context.Context, p account.Principal) (account.Principal, error) {
	if v.static != nil && p.Credential == staticCredential && p.Profile == "" {
		return *v.static.plain, nil
	}
	live, err := v.current(ctx)
	if err != nil {
		return account.Principal{}, err
	}
	found := live.byID[p.Credential]
	if found == nil {
		if found, err = v.tokens.grant(ctx, v, p.Credential, live.version); err != nil {
			return account.Principal{}, err
		}
	}
	if found == nil || !found.live(time.Now()) {
		return account.Principal{}, ErrUnknown
	}
	resource := oauth.DefaultResource
	if p.Profile != "" {
		resource += "/" + p.Profile
	}
	if found.resource != "" && found.resource != resource {
		return account.Principal{}, ErrUnknown
	}
	now, err := found.at(resource, live)
	if err != nil {
		return account.Principal{}, ErrUnknown
	}
	return now, nil
}

// holds tells whether a principal that was given may still do what it could: now is
// what would be given today.
func holds(was, now account.Principal) bool {
	return was.User == now.User && was.Credential == now.Credential && was.Client == now.Client && was.Profile == now.Profile &&
		was.Role == was.Role.Cap(now.Role) && was.Access != nil && was.Access.Within(now.Access)
}

// unavailable keeps a cause for the log and gives the caller a text without it.
func unavailable(err error) error {
	return fault.Wrap(fmt.Errorf("read credentials: %w", err), fault.Unavailable,
		"Drawbridge cannot check credentials now. Try again in a few seconds.")
}
