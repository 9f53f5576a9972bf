package auth

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
)

// snapshot is the keys and profiles as of a version. It is replaced whole, never
// changed.
type snapshot struct {
	version  uint64
	byHash   map[[32]byte]*entry
	byID     map[string]*entry
	profiles map[string]account.Profile
}

// entry is a live credential, as of one version of the store, with what the
// verifier remembers of it.
type entry struct {
	hash     [32]byte
	who      account.Principal // without Access and Profile
	rights   account.Rights
	bound    string         // the profile of its user
	resource string         // the only one it is for; "" = any
	expires  []time.Time    // the first of these that is not zero and has come ends it
	from     []netip.Prefix // networks it may be used from; empty = anywhere
	use      *use

	plain *account.Principal // at the default resource, where bound is ""

	mu    sync.Mutex // guards views
	views map[string]*account.Principal
}

func newEntry(who account.Principal, rights account.Rights, bound string, u *use) *entry {
	e := &entry{who: who, rights: rights, bound: bound, use: u}
	if bound == "" {
		plain := who
		plain.Access = account.NewAccess(rights)
		e.plain = &plain
	}
	return e
}

// live tells whether the credential has not expired.
func (e *entry) live(now time.Time) bool {
	for _, t := range e.expires {
		if !t.IsZero() && !now.Before(t) {
			return false
		}
	}
	return true
}

// at is the principal that a credential gives at a resource: its own rights, within
// the profiles of the resource and of its user.
func (e *entry) at(resource string, live *snapshot) (account.Principal, error) {
	name := oauth.ProfileOf(resource)
	if resource == "" {
		name = oauth.ProfileOf(e.resource)
	}
	if name == "" && e.plain != nil {
		return *e.plain, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.views[name]; p != nil {
		return *p, nil
	}
	var profiles []account.Profile
	for _, one := range []string{name, e.bound} {
		if one == "" {
			continue
		}
		profile, ok := live.profiles[one]
		if !ok {
			return account.Principal{}, errNoProfile
		}
		profiles = append(profiles, profile)
	}
	p := e.who
	p.Profile, p.Access = name, account.NewAccess(e.rights, profiles...)
	if e.views == nil {
		e.views = map[string]*account.Principal{}
	}
	e.views[name] = &p
	return p, nil
}

var errNoProfile = fault.New(fault.NotFound, "There is no such address here. See the admin pages, or `drawbridge profile list`, for those that there are.")

// current is a snapshot of the version that the store has now.
func (v *Verifier) current(ctx context.Context) (*snapshot, error) {
	version, err := v.deps.Keys.KeysVersion()
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
	version, err := v.deps.Keys.KeysVersion()
	if err != nil {
		return nil, unavailable(err)
	}
	if old := v.live.Load(); old != nil && old.version == version {
		return old, nil
	}
	// Those who waited for a try that failed do not each wait for one of their own.
	if v.failed != nil && time.Since(v.failedAt) < failPause {
		return nil, v.failed
	}
	// The caller may hang up; those who wait behind it need the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadLimit)
	defer cancel()
	fresh, err := v.read(ctx, version)
	if err != nil {
		v.failed, v.failedAt = unavailable(err), time.Now()
		return nil, v.failed
	}
	v.failed = nil
	v.live.Store(fresh)
	return fresh, nil
}

func (v *Verifier) read(ctx context.Context, version uint64) (*snapshot, error) {
	keys, err := v.deps.Keys.LiveKeys(ctx)
	if err != nil {
		return nil, err
	}
	profiles, err := v.deps.Keys.Profiles(ctx)
	if err != nil {
		return nil, err
	}
	s := &snapshot{version, make(map[[32]byte]*entry, len(keys)), make(map[string]*entry, len(keys)), make(map[string]account.Profile, len(profiles))}
	for _, p := range profiles {
		s.profiles[p.Name] = p
	}
	if v.static != nil {
		e := newEntry(v.static.who, v.static.rights, "", v.static.use)
		e.hash = v.static.hash
		s.byHash[e.hash], s.byID[staticCredential] = e, e
	}
	for _, key := range keys {
		// A row that would give an empty identity gives none.
		if key.User == "" || key.ID == "" || key.Hash == ([32]byte{}) || !key.Role.Valid() || !key.Revoked.IsZero() {
			continue
		}
		e := newEntry(account.Principal{User: key.User, Credential: key.ID, Role: key.Role}, key.Rights, key.UserProfile,
			v.ledger.of(key.ID, false, key.LastUsed))
		e.hash, e.expires, e.from = key.Hash, []time.Time{key.Expires}, key.Networks
		if key.Profile != "" {
			e.resource = oauth.DefaultResource + "/" + key.Profile
		}
		s.byHash[key.Hash], s.byID[key.ID] = e, e
	}
	return s, nil
}
