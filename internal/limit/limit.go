// Package limit counts what callers do, so that one of them cannot use up what is
// there for all: token buckets by key, in bounded memory.
//
// A key that was not seen for long is forgotten, and so is the least recently seen
// one when there are too many; a forgotten key begins with a full bucket. Limits
// that have to outlast the process are the store's.
package limit

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Buckets are token buckets by key. Safe for concurrent use.
type Buckets struct {
	rate  rate.Limit
	burst int
	max   int // keys that are remembered

	mu     sync.Mutex // guards what follows
	byKey  map[string]*list.Element
	recent *list.List // of *bucket, the most recently used first
}

type bucket struct {
	key     string
	limiter *rate.Limiter
}

// New makes buckets that each hold burst tokens and regain n of them every per. It
// remembers up to keys of them.
func New(n int, per time.Duration, burst, keys int) *Buckets {
	return &Buckets{rate: rate.Limit(float64(n) / per.Seconds()), burst: burst, max: keys,
		byKey: map[string]*list.Element{}, recent: list.New()}
}

// Take takes a token of key at now, or tells how long until there is one.
func (b *Buckets) Take(key string, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.limiter(key)
	if l.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - l.TokensAt(now)
	return time.Duration(missing / float64(b.rate) * float64(time.Second)), false
}

// Full tells whether key has no token left at now, without taking one.
func (b *Buckets) Full(key string, now time.Time) (wait time.Duration, full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	missing := 1 - b.limiter(key).TokensAt(now)
	if missing <= 0 {
		return 0, false
	}
	return time.Duration(missing / float64(b.rate) * float64(time.Second)), true
}

// Forget gives key a full bucket again.
func (b *Buckets) Forget(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.byKey[key]; e != nil {
		b.recent.Remove(e)
		delete(b.byKey, key)
	}
}

// limiter finds or makes the bucket of key. The caller holds mu.
func (b *Buckets) limiter(key string) *rate.Limiter {
	if e := b.byKey[key]; e != nil {
		b.recent.MoveToFront(e)
		return e.Value.(*bucket).limiter
	}
	if len(b.byKey) >= b.max {
		last := b.recent.Back()
		b.recent.Remove(last)
		delete(b.byKey, last.Value.(*bucket).key)
	}
	l := rate.NewLimiter(b.rate, b.burst)
	b.byKey[key] = b.recent.PushFront(&bucket{key, l})
	return l
}

// Anthropic is the network of claude.ai, whose servers call for all of its users at
// once: one of its own, so that a stranger elsewhere does not use up its share, nor
// it theirs (security reference, C1).
const Anthropic = "anthropic"

// anthropic is where those servers call from.
var anthropic = netip.MustParsePrefix("160.79.104.0/21")

// Network is the key under which an address is counted: an IPv4 address, an IPv6
// /64, since that is what one subscriber has, or the name of a service that calls
// for many people.
func Network(addr netip.Addr) string {
	addr = addr.Unmap()
	switch {
	case !addr.IsValid():
		return "unknown"
	case anthropic.Contains(addr):
		return Anthropic
	case addr.Is6():
		return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
	}
	return addr.String()
}

// Site is a wider key than Network: the IPv6 /48 that an address is in, which has
// 65,536 networks and may all be one subscriber's. Elsewhere a network is its own
// site.
func Site(addr netip.Addr) string {
	if addr = addr.Unmap(); addr.Is6() {
		return netip.PrefixFrom(addr.WithZone(""), 48).Masked().String()
	}
	return Network(addr)
}
