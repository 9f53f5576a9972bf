package egress

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/fault"
)

// Getter fetches one URL. A Client is one.
type Getter interface {
	Get(ctx context.Context, url, accept string) (Response, error)
}

// Bounds are those of a Cache. All of them but Stale must be set.
type Bounds struct {
	Min, Max time.Duration // how long a value is kept, whatever its headers say
	Failed   time.Duration // how long a failure is kept, so that nobody can have one host asked again and again
	Stale    time.Duration // how much longer a value serves when it cannot be fetched anew
	Timeout  time.Duration // of one fetch, and the time at which a failure is told
	Size     int           // values and failures that are kept
}

// Cache keeps what was made of documents that strangers name. There is one fetch of
// a URL at a time, whoever asks, and a failure is told when the time for the fetch
// is over and not before: how long it took says nothing about what is, or is not, at
// an address inside. Safe for concurrent use.
type Cache[V any] struct {
	get    Getter
	accept string
	bounds Bounds
	read   func(url string, r Response) (V, error)
	fail   func(url string, err error) error
	slots  chan struct{} // fetches under way

	mu      sync.Mutex // guards the rest
	entries map[string]*entry[V]
}

// entry is what is known of one URL. It is only changed by its flight's end.
type entry[V any] struct {
	value   V
	good    bool      // there is a value
	fresh   time.Time // until then the value, or err, is the answer
	stale   time.Time // until then the value is better than nothing
	err     error     // of the last fetch
	fetched time.Time // when the last fetch began
	used    time.Time
	flight  chan struct{} // closed when the fetch that runs has ended; nil: none runs
}

// maxFetches is how many documents a cache fetches at once.
const maxFetches = 64

// NewCache makes an empty cache. read makes a value of an answer or refuses it; fail
// sees each failure once, for the log, and gives the error that callers get.
func NewCache[V any](get Getter, accept string, bounds Bounds, read func(url string, r Response) (V, error), fail func(url string, err error) error) *Cache[V] {
	return &Cache[V]{get: get, accept: accept, bounds: bounds, read: read, fail: fail,
		slots: make(chan struct{}, maxFetches), entries: map[string]*entry[V]{}}
}

// Get is the value for url, kept or fetched. admit, if not nil, is asked before a
// fetch and can forbid it; its error is not kept.
func (c *Cache[V]) Get(ctx context.Context, url string, admit func() error) (V, error) {
	return c.value(ctx, url, 0, admit)
}

// Renew is Get, but fetches anew what was fetched longer than age ago.
func (c *Cache[V]) Renew(ctx context.Context, url string, age time.Duration, admit func() error) (V, error) {
	return c.value(ctx, url, age, admit)
}

func (c *Cache[V]) value(ctx context.Context, url string, age time.Duration, admit func() error) (V, error) {
	e, mine, err := c.claim(url, age, admit)
	if err != nil {
		var none V
		return none, err
	}
	if mine {
		return c.fly(ctx, url, e)
	}
	return c.await(ctx, e)
}

// claim finds the entry of url. It is mine, to fetch, if it is too old and nobody
// fetches it.
func (c *Cache[V]) claim(url string, age time.Duration, admit func() error) (e *entry[V], mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.entries[url], time.Now()
	if e != nil && (e.flight != nil || now.Before(e.fresh) && (age == 0 || now.Sub(e.fetched) < age)) {
		e.used = now
		return e, false, nil
	}
	if admit != nil {
		if err := admit(); err != nil {
			return nil, false, err
		}
	}
	select {
	case c.slots <- struct{}{}:
	default:
		return nil, false, fault.New(fault.Unavailable, "Too many documents are being fetched now. Try again in a minute.")
	}
	if e == nil {
		c.makeRoom()
		e = &entry[V]{}
		c.entries[url] = e
	}
	e.flight, e.fetched, e.used = make(chan struct{}), now, now
	return e, true, nil
}

// await gives the answer of an entry, once the fetch that runs has ended.
func (c *Cache[V]) await(ctx context.Context, e *entry[V]) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if flight := e.flight; flight != nil {
		c.mu.Unlock()
		select {
		case <-flight:
			c.mu.Lock()
		case <-ctx.Done():
			c.mu.Lock()
			var none V
			return none, ctx.Err()
		}
	}
	return e.answer(time.Now())
}

// fly fetches for everybody who waits. It goes on when its own caller hangs up, so
// that the others get their answer.
func (c *Cache[V]) fly(ctx context.Context, url string, e *entry[V]) (value V, err error) {
	start, got := time.Now(), landing[V]{err: errEnded}
	defer func() { value, err = c.land(e, got) }() // nobody waits for ever, whatever read does
	got = c.fetch(context.WithoutCancel(ctx), url)
	if got.err != nil {
		time.Sleep(time.Until(start.Add(c.bounds.Timeout)))
		got.err = c.fail(url, got.err)
	}
	return value, err
}

// landing is how a flight ended.
type landing[V any] struct {
	value V
	keep  time.Duration
	err   error
}

var errEnded = errors.New("the fetch ended early")

func (c *Cache[V]) fetch(ctx context.Context, url string) (got landing[V]) {
	defer func() { <-c.slots }()
	ctx, cancel := context.WithTimeout(ctx, c.bounds.Timeout)
	defer cancel()
	var r Response
	if r, got.err = c.get.Get(ctx, url, c.accept); got.err != nil {
		return got
	}
	got.keep = min(max(lifetime(r.Header, time.Now()), c.bounds.Min), c.bounds.Max)
	got.value, got.err = c.read(url, r)
	return got
}

func (c *Cache[V]) land(e *entry[V], got landing[V]) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if e.err = got.err; e.err == nil {
		e.value, e.good = got.value, true
		e.fresh, e.stale = now.Add(got.keep), now.Add(got.keep+c.bounds.Stale)
	} else {
		e.fresh = now.Add(c.bounds.Failed)
	}
	close(e.flight)
	e.flight = nil
	return e.answer(now)
}

// answer is what the entry says at now. The caller holds mu.
func (e *entry[V]) answer(now time.Time) (V, error) {
	if e.err == nil || e.good && now.Before(e.stale) {
		return e.value, nil
	}
	var none V
	return none, e.err
}

// makeRoom forgets an entry if there are too many: a failure rather than a value,
// then what was not used for longest. The caller holds mu.
func (c *Cache[V]) makeRoom() {
	if len(c.entries) < c.bounds.Size {
		return
	}
	var victim string
	var worst *entry[V]
	for url, e := range c.entries {
		if e.flight != nil {
			continue
		}
		if worst == nil || worst.good && !e.good || worst.good == e.good && e.used.Before(worst.used) {
			victim, worst = url, e
		}
	}
	delete(c.entries, victim)
}

// lifetime is how long an answer stays fresh by its own headers (RFC 9111, 4.2); 0
// when they do not say, or forbid to keep it.
func lifetime(h http.Header, now time.Time) time.Duration {
	life := time.Duration(-1)
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			life = time.Duration(max(0, seconds(value)-seconds(h.Get("Age")))) * time.Second
		}
	}
	if life >= 0 {
		return life
	}
	expires, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return 0
	}
	return max(0, expires.Sub(now))
}

// seconds reads a number of seconds; 0 is any that makes no sense.
func seconds(text string) int64 {
	n, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 32)
	if err != nil {
		return 0
	}
	return max(0, n)
}
