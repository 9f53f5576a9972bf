// Package auth turns the credential on a request into a principal.
//
// The rule that everything here serves: there is no way to an identity but a
// live credential. A request has exactly one Authorization header with a bearer
// token that is known, live and of a user who is let in; everything else is an
// error, and an error never comes with a principal. When the store cannot vouch
// for its keys the answer is 503, not 401, so that clients do not throw good
// credentials away.
//
// httpd calls Authenticate on every route that is not public; endpoints with
// long streams call Recheck while one is open.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

const (
	// MinStatic is how long a static key has to be: it is not of our making, so
	// nothing but its length speaks for it.
	MinStatic = 32

	// staticCredential is the credential of whoever brings the static key.
	staticCredential = "static"

	maxToken   = 512              // bytes; ours have 53
	flushEvery = 30 * time.Second // last uses are written this often
	loadLimit  = 5 * time.Second  // for reading the keys
	failPause  = time.Second      // after reading them failed, before the next try
)

// The reasons why a request is refused; each is a *fault.Error.
var (
	ErrNoCredential = fault.New(fault.Unauthenticated, "This address needs a key. Send it as `Authorization: Bearer KEY`; `drawbridge key create --name NAME` makes one.")
	ErrMalformed    = fault.New(fault.Unauthenticated, "The Authorization header cannot be read. Send exactly one, as `Authorization: Bearer KEY`.")
	ErrUnknown      = fault.New(fault.Unauthenticated, "This key is unknown, expired or revoked. Use another one; `drawbridge key create --name NAME` makes one.")
)

// Keys is what the verifier needs of the store.
type Keys interface {
	// LiveKeys lists the keys that may be used, with roles capped by their users'.
	LiveKeys(ctx context.Context) ([]account.Key, error)
	// KeysVersion rises with every change of what LiveKeys gives: at once for
	// changes of this process, within a second for others. It fails when the
	// store cannot tell. It is called on every request and must not block.
	KeysVersion() (uint64, error)
	// TouchKeys writes when keys were last used.
	TouchKeys(ctx context.Context, uses []account.KeyUse) error
}

// Config is what an operator may set.
type Config struct {
	Static secret.String // GATEWAY_STATIC_API_KEY; empty: there is none
}

// Verifier checks credentials. Safe for concurrent use.
type Verifier struct {
	log    *slog.Logger
	keys   Keys
	static *entry // nil: no static key

	live     atomic.Pointer[snapshot]
	loading  sync.Mutex // held while a snapshot is read, so that one request does it; guards the next two
	failed   error      // of the last try to read one
	failedAt time.Time

	flushing sync.Mutex // held while last uses are written
}

// snapshot is the keys as of a version. It is replaced whole, never changed.
type snapshot struct {
	version uint64
	byHash  map[[32]byte]*entry
	byID    map[string]*entry
}

// entry is a live key with what the verifier remembers of it.
type entry struct {
	hash      [32]byte
	principal account.Principal
	key       account.Key
	used      *atomic.Int64 // Unix milliseconds; survives snapshots
	written   *atomic.Int64 // the value of used that the store has
}

// New makes a verifier. It reads no keys yet: a store that is down at the start
// makes requests fail, not the start.
func New(log *slog.Logger, keys Keys, cfg Config) (*Verifier, error) {
	if log == nil || keys == nil {
		return nil, errors.New("auth needs a logger and keys")
	}
	v := &Verifier{log: log, keys: keys}
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
	v.static = &entry{
		hash:      secret.Hash(static),
		principal: account.Principal{User: account.Admin, Credential: staticCredential, Role: account.RoleAdmin},
	}
	return v, nil
}

// Authenticate finds the principal of a request. The error is a *fault.Error:
// one of the Err values above, or Unavailable when the store cannot tell.
func (v *Verifier) Authenticate(r *http.Request) (account.Principal, error) {
	token, err := bearer(r.Header)
	if err != nil {
		return account.Principal{}, err
	}
	var buf [maxToken]byte
	hash := sha256.Sum256(buf[:copy(buf[:], token)])
	// A comparison of hashes tells nothing by its time that helps to guess a token.
	if v.static != nil && hash == v.static.hash {
		return v.static.principal, nil
	}
	live, err := v.current(r.Context())
	if err != nil {
		return account.Principal{}, err
	}
	now := time.Now()
	found := live.byHash[hash]
	if found == nil || !found.key.Live(now) {
		return account.Principal{}, ErrUnknown
	}
	found.used.Store(now.UnixMilli())
	return found.principal, nil
}

// Recheck tells whether a principal that Authenticate gave would still be given:
// nil, ErrUnknown, or Unavailable. For streams that outlive their request's check.
func (v *Verifier) Recheck(ctx context.Context, p account.Principal) error {
	if v.static != nil && p == v.static.principal {
		return nil
	}
	live, err := v.current(ctx)
	if err != nil {
		return err
	}
	found := live.byID[p.Credential]
	if found == nil || found.principal != p || !found.key.Live(time.Now()) {
		return ErrUnknown
	}
	return nil
}

// Run writes last uses from time to time, until ctx ends; then once more.
func (v *Verifier) Run(ctx context.Context) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			v.Flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadLimit)
			defer cancel()
			v.Flush(last)
			return
		}
	}
}

// Flush writes the last uses that the store does not have yet. What fails is
// tried again the next time.
func (v *Verifier) Flush(ctx context.Context) {
	v.flushing.Lock()
	defer v.flushing.Unlock()
	live := v.live.Load()
	if live == nil {
		return
	}
	var uses []account.KeyUse
	for id, e := range live.byID {
		if at := e.used.Load(); at > e.written.Load() {
			uses = append(uses, account.KeyUse{ID: id, At: time.UnixMilli(at)})
		}
	}
	if len(uses) == 0 {
		return
	}
	if err := v.keys.TouchKeys(ctx, uses); err != nil {
		v.log.Warn("last use of keys was not written", "keys", len(uses), "error", err)
		return
	}
	for _, use := range uses {
		live.byID[use.ID].written.Store(use.At.UnixMilli())
	}
}

// current is a snapshot of the version that the store has now.
func (v *Verifier) current(ctx context.Context) (*snapshot, error) {
	version, err := v.keys.KeysVersion()
	if err != nil {
		return nil, unavailable(err)
	}
	if live := v.live.Load(); live != nil && live.version == version {
		return live, nil
	}
	return v.load(ctx)
}

// load reads the keys anew. Requests that come meanwhile wait: what they bring
// may just have been revoked.
func (v *Verifier) load(ctx context.Context) (*snapshot, error) {
	v.loading.Lock()
	defer v.loading.Unlock()
	// The version is read before the keys: a change in between makes the next
	// request read again, instead of being missed.
	version, err := v.keys.KeysVersion()
	if err != nil {
		return nil, unavailable(err)
	}
	old := v.live.Load()
	if old != nil && old.version == version {
		return old, nil
	}
	// Those who waited for a try that failed do not each wait for one of their own.
	if v.failed != nil && time.Since(v.failedAt) < failPause {
		return nil, v.failed
	}
	// The caller may hang up; those who wait behind it need the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadLimit)
	defer cancel()
	keys, err := v.keys.LiveKeys(ctx)
	if err != nil {
		v.failed, v.failedAt = unavailable(err), time.Now()
		return nil, v.failed
	}
	v.failed = nil
	fresh := newSnapshot(version, keys, old)
	v.live.Store(fresh)
	return fresh, nil
}

func newSnapshot(version uint64, keys []account.Key, old *snapshot) *snapshot {
	s := &snapshot{version, make(map[[32]byte]*entry, len(keys)), make(map[string]*entry, len(keys))}
	for _, key := range keys {
		// A row that would give an empty identity gives none.
		if key.User == "" || key.ID == "" || key.Hash == ([32]byte{}) || !key.Role.Valid() {
			continue
		}
		e := &entry{hash: key.Hash, principal: key.Principal(), key: key}
		if old != nil && old.byID[key.ID] != nil {
			e.used, e.written = old.byID[key.ID].used, old.byID[key.ID].written
		} else {
			e.used, e.written = new(atomic.Int64), new(atomic.Int64)
			e.written.Store(max(0, key.LastUsed.UnixMilli())) // never used is before 1970
		}
		s.byHash[key.Hash], s.byID[key.ID] = e, e
	}
	return s
}

// unavailable keeps a cause for the log and gives the caller a text without it.
func unavailable(err error) error {
	return fault.Wrap(fmt.Errorf("read keys: %w", err), fault.Unavailable,
		"Drawbridge cannot check credentials now. Try again in a few seconds.")
}

// bearer takes the token out of the one Authorization header.
func bearer(h http.Header) (string, error) {
	values := h["Authorization"] // net/http has canonical names only
	switch len(values) {
	case 0:
		return "", ErrNoCredential
	case 1:
	default: // Get would silently take the first
		return "", ErrMalformed
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || !wellFormed(token) {
		return "", ErrMalformed
	}
	return token, nil
}

// wellFormed tells whether a token may be looked up: bounded, visible ASCII, and
// no comma, which would join two credentials (RFC 9110, section 11.6.2).
func wellFormed(token string) bool {
	if token == "" || len(token) > maxToken {
		return false
	}
	for i := range len(token) {
		if c := token[i]; c <= ' ' || c > '~' || c == ',' {
			return false
		}
	}
	return true
}
