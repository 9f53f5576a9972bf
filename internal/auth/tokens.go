package auth

import (
	"context"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

// maxTokens bounds the access tokens and grants that are remembered. Beyond it all
// are forgotten and read again as they are used.
const maxTokens = 10_000

// tokens remembers access tokens and grants as of one version of the store: with
// the next version all of them have to be looked up again.
type tokens struct {
	mu      sync.RWMutex // guards what follows
	version uint64
	byHash  map[[32]byte]*entry
	byID    map[string]*entry // grants, for streams
}

// find is an access token's entry; nil if there is no such live token.
func (t *tokens) find(ctx context.Context, v *Verifier, token string, hash [32]byte, version uint64) (*entry, error) {
	t.mu.RLock()
	e := t.byHash[hash]
	known := t.version == version && e != nil
	t.mu.RUnlock()
	if known {
		return e, nil
	}
	if !secret.WellFormed(oauth.PrefixAccess, token) {
		return nil, nil // the store need not be asked
	}
	e, err := v.look(ctx, func(ctx context.Context) (account.LiveToken, error) { return v.deps.Grants.LiveToken(ctx, hash) })
	if e != nil {
		t.keep(version, func() { t.byHash[hash] = e })
	}
	return e, err
}

// grant is a grant's entry, by its id; nil if it has ended.
func (t *tokens) grant(ctx context.Context, v *Verifier, id string, version uint64) (*entry, error) {
	t.mu.RLock()
	e := t.byID[id]
	known := t.version == version && e != nil
	t.mu.RUnlock()
	if known {
		return e, nil
	}
	e, err := v.look(ctx, func(ctx context.Context) (account.LiveToken, error) { return v.deps.Grants.LiveGrant(ctx, id) })
	if e != nil {
		t.keep(version, func() { t.byID[id] = e })
	}
	return e, err
}

// keep remembers what was read while the store had a version.
func (t *tokens) keep(version uint64, put func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if version < t.version {
		return
	}
	if version > t.version || t.byHash == nil || len(t.byHash)+len(t.byID) >= maxTokens {
		t.version, t.byHash, t.byID = version, map[[32]byte]*entry{}, map[string]*entry{}
	}
	put()
}

// look makes an entry of what the store has; nil for what it has not.
func (v *Verifier) look(ctx context.Context, read func(context.Context) (account.LiveToken, error)) (*entry, error) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	found, err := read(ctx)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	g := found.Grant
	if g.ID == "" || g.User == "" || g.Resource == "" || !g.Role.Valid() || !g.Live(time.Now()) {
		return nil, nil // a row that would give an empty identity gives none
	}
	e := newEntry(account.Principal{User: g.User, Credential: g.ID, Client: g.Client, Role: g.Role}, g.Rights, found.UserProfile,
		v.ledger.of(g.ID, true, g.LastUsed))
	e.resource, e.expires = g.Resource, []time.Time{found.Expires, g.Expires}
	return e, nil
}
