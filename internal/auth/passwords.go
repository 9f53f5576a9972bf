package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/limit"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

// What may be tried (A14). A hash costs 19 MiB and tens of milliseconds.
const (
	hashesAtOnce  = 2
	hashesWaiting = 16
	maxPassword   = 1024 // bytes

	freeTries = 5                // failures of one network at one account that cost nothing
	forgetIn  = 15 * time.Minute // after the last failure
	maxDelay  = time.Minute

	// Networks that nobody has signed in from yet share 30 hashes a minute, and none of
	// them can use up what the others have.
	strangersRate, strangersBurst = 20, 10
	strangerRate, strangerBurst   = 6, 8

	maxPairs = 4096 // networks and accounts that are remembered
)

// nobodysHash takes as long to check as a hash that secret.HashPassword makes, and
// is of no password: of 32 zero bytes that argon2id would have to give.
const nobodysHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

var (
	errWrongPassword = fault.New(fault.Unauthenticated, "The user name or the password is wrong. Check both and try again; `drawbridge user passwd` sets a new password.")
	errHashing       = fault.New(fault.Limited, "Too many passwords are being checked at once. Try again in a few seconds.")
)

// Users is what Passwords needs of the store.
type Users interface {
	User(ctx context.Context, id string) (account.User, error)
	Users(ctx context.Context) ([]account.User, error)
}

// Recorder takes the audit rows.
type Recorder interface{ Call(r account.Record) }

// Passwords checks who signs in with a password, as often as that may be tried.
// Safe for concurrent use.
//
// Failures are counted by network and account, so that whoever guesses slows
// down himself and not the owner. From where somebody has signed in to an account
// before, that account is reachable whatever strangers do; this is kept in memory.
type Passwords struct {
	log   *slog.Logger
	users Users
	audit Recorder

	queue chan struct{} // holds a token for each hash that runs or waits
	slots chan struct{} // holds a token for each that runs

	strangers *limit.Buckets // all of them
	stranger  *limit.Buckets // by site

	mu    sync.Mutex // guards what follows
	tries map[pair]*tries
	known map[pair]time.Time // last sign-in
}

// pair is what failures are counted by.
type pair struct{ network, user string }

// tries are the failures of a pair; one that still runs counts as one.
type tries struct {
	failed int
	last   time.Time
	next   time.Time // not to be tried before
}

// NewPasswords makes the checker.
func NewPasswords(log *slog.Logger, users Users, audit Recorder) (*Passwords, error) {
	if log == nil || users == nil || audit == nil {
		return nil, errors.New("passwords: a dependency is missing")
	}
	return &Passwords{
		log: log, users: users, audit: audit,
		queue:     make(chan struct{}, hashesAtOnce+hashesWaiting),
		slots:     make(chan struct{}, hashesAtOnce),
		strangers: limit.New(strangersRate, time.Minute, strangersBurst, 1),
		stranger:  limit.New(strangerRate, time.Minute, strangerBurst, maxPairs),
		tries:     map[pair]*tries{}, known: map[pair]time.Time{},
	}, nil
}

// OnlyAdmin tells that admin is the only user, so that nobody needs to say who they
// are (design 4.13).
func (p *Passwords) OnlyAdmin(ctx context.Context) (bool, error) {
	users, err := p.users.Users(ctx)
	if err != nil {
		return false, unavailable(err)
	}
	return len(users) == 1 && users[0].ID == account.Admin, nil
}

// SignIn finds the user who has this name and password. The error is a *fault.Error
// of the codes Unauthenticated, Limited or Unavailable.
func (p *Passwords) SignIn(ctx context.Context, name string, password secret.String) (account.User, error) {
	if n := len(password.Reveal()); n == 0 || n > maxPassword {
		return account.User{}, errWrongPassword // nobody's; it tells nothing about the name
	}
	addr, id := route.PeerFrom(ctx).Addr, canonical(name)
	who := pair{limit.Network(addr), id}
	if err := p.admit(who, limit.Site(addr), time.Now()); err != nil {
		return account.User{}, err
	}
	user, err := p.check(ctx, id, password)
	switch {
	case err == nil:
		p.welcome(who, time.Now())
		p.record(user.ID, account.Allowed, account.Succeeded)
		return user, nil
	case fault.CodeOf(err) == fault.Unauthenticated:
		p.record(user.ID, account.Denied, account.Failed)
		p.log.Warn("password refused", "network", who.network)
	default:
		p.forgive(who)
	}
	return account.User{}, err
}

// Hash makes the hash of a new password, when its turn comes.
func (p *Passwords) Hash(ctx context.Context, password secret.String) (hash string, err error) {
	err = p.turn(ctx, func() { hash = secret.HashPassword(password) })
	return hash, err
}

// check compares a password. It costs the same whether or not there is such a user.
// A user that is given back with an error has an account, and no more.
func (p *Passwords) check(ctx context.Context, id string, password secret.String) (account.User, error) {
	user, err := p.users.User(ctx, id)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return account.User{}, unavailable(err)
	}
	hash := user.PasswordHash
	if err != nil || hash == "" {
		user, hash = account.User{ID: user.ID}, nobodysHash
	}
	right := false
	if err := p.turn(ctx, func() { right = secret.CheckPassword(hash, password) }); err != nil {
		return account.User{}, err
	}
	if !right || user.Disabled || !user.Role.Valid() {
		return account.User{ID: user.ID}, errWrongPassword
	}
	return user, nil
}

// turn runs a hash when fewer than two others do, unless too many wait already.
func (p *Passwords) turn(ctx context.Context, run func()) error {
	select {
	case p.queue <- struct{}{}:
		defer func() { <-p.queue }()
	default:
		return errHashing
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, "The request ended before the password was checked. Send it again.")
	}
	run()
	return nil
}

// admit lets a try through, and counts it as failed until it is known to be right:
// otherwise a hundred at once would all be the first.
func (p *Passwords) admit(who pair, site string, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tries[who]
	if t != nil && now.Sub(t.last) >= forgetIn {
		delete(p.tries, who)
		t = nil
	}
	if t != nil && now.Before(t.next) {
		return tooMany(t.next.Sub(now))
	}
	if _, known := p.known[who]; !known {
		if wait, ok := p.stranger.Take(site, now); !ok {
			return tooMany(wait)
		}
		if wait, ok := p.strangers.Take("", now); !ok {
			return fault.New(fault.Limited, "Too many people try to sign in. Try again in %s, or from a network where you have signed in before.", seconds(wait))
		}
	}
	if t == nil {
		makeRoom(p.tries, func(t *tries) time.Time { return t.last })
		t = &tries{}
		p.tries[who] = t
	}
	t.failed++
	t.last = now
	if over := t.failed - freeTries; over >= 0 {
		t.next = now.Add(min(maxDelay, time.Second<<min(over, 6)))
	}
	return nil
}

// welcome forgets the failures of who has signed in, and remembers that it did.
func (p *Passwords) welcome(who pair, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tries, who)
	if _, known := p.known[who]; !known {
		makeRoom(p.known, func(t time.Time) time.Time { return t })
	}
	p.known[who] = now
}

// forgive takes a try back that was not the fault of whoever tried.
func (p *Passwords) forgive(who pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tries[who]; t != nil {
		t.failed--
		t.next = time.Time{}
	}
}

// makeRoom drops the oldest entry of a map that is full.
func makeRoom[V any](m map[pair]V, at func(V) time.Time) {
	if len(m) < maxPairs {
		return
	}
	var oldest pair
	var when time.Time
	for key, v := range m {
		if t := at(v); when.IsZero() || t.Before(when) {
			oldest, when = key, t
		}
	}
	delete(m, oldest)
}

func (p *Passwords) record(user string, d account.Decision, o account.Outcome) {
	// A name that is nobody's stays out: people type passwords there.
	p.audit.Call(account.Record{Time: time.Now(), User: user, Method: "account/sign-in", Decision: d, Outcome: o})
}

// canonical is the one spelling of a user name; "" for what can be nobody's.
func canonical(name string) string {
	if len(name) > 4*maxPassword {
		return ""
	}
	id := strings.ToLower(norm.NFKC.String(strings.TrimSpace(name)))
	if account.CheckUserID(id) != nil {
		return ""
	}
	return id
}

func tooMany(wait time.Duration) error {
	return fault.New(fault.Limited, "There were too many wrong tries. Try again in %s.", seconds(wait))
}

// seconds is a wait as a person reads it.
func seconds(d time.Duration) string {
	if s := int((d + time.Second - 1) / time.Second); s > 1 {
		return fmt.Sprintf("%d seconds", s)
	}
	return "a second"
}
