// Package live tells watchers of resources what changed in a house while nobody calls.
//
// Who reads a resource of the house hears of its changes from then on, for as long as
// Keep: the kit does not tell a server which resources are watched, and passes an
// update on only to those who watch it. A user's resources are followed over the
// connection of the user's own credential. Updates are gathered, so that a resource is
// told of at most once in Every.
//
// The homeassistant server's resources call it.
package live

import (
	"maps"
	"slices"
	"sync"
	"time"

	"drawbridge/internal/servers/homeassistant/api"
)

// Bounds on what is followed.
const (
	Keep      = 12 * time.Hour // after the last reading of a resource
	Every     = time.Second
	mostURIs  = 200 // of a user
	mostUsers = 200
	look      = 10 * time.Minute // between looks for what is followed no more
)

// Feed follows resources for users.
type Feed struct {
	now   func() time.Time
	tasks sync.WaitGroup // the followers' goroutines

	mu     sync.Mutex // guards what follows
	closed bool
	all    map[string]*follower // by user
}

// New makes a feed. now is the clock.
func New(now func() time.Time) *Feed {
	return &Feed{now: now, all: map[string]*follower{}}
}

// Close ends all following and waits for its goroutines.
func (f *Feed) Close() {
	f.mu.Lock()
	f.closed = true
	for _, one := range f.all {
		close(one.end)
	}
	f.all = nil
	f.mu.Unlock()
	f.tasks.Wait()
}

// Read says that a user has read a resource that is made of entities, and how to tell
// the user's watchers of changes.
func (f *Feed) Read(user string, s api.Session, uri string, ids []string, updated func(uri string)) {
	if len(ids) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	one := f.all[user]
	if one == nil {
		if len(f.all) >= mostUsers {
			return
		}
		one = &follower{feed: f, user: user, resources: map[string]resource{}, was: map[string]string{}, dirty: map[string]bool{}, news: make(chan struct{}, 1), end: make(chan struct{})}
		f.all[user] = one
		f.tasks.Go(one.run) // ends with Close, or when nothing is followed any more
	}
	if stop := one.add(s, uri, ids, updated); stop != nil {
		stop()
	}
}

// follower follows the resources of one user.
type follower struct {
	feed *Feed
	user string
	news chan struct{} // holds one: something is dirty
	end  chan struct{}

	mu        sync.Mutex // guards what follows
	session   api.Session
	updated   func(uri string)
	resources map[string]resource
	was       map[string]string // by entity: what its state was when it was last heard of
	dirty     map[string]bool   // resources
	stop      func()            // of the subscription; nil before the first
}

// resource is one that is followed.
type resource struct {
	ids   map[string]bool
	until time.Time
}

// add is called with Feed.mu held. stop ends the subscription that another has taken
// the place of; it writes to the connection, and so is called without mu.
func (o *follower) add(s api.Session, uri string, ids []string, updated func(uri string)) (stop func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, there := o.resources[uri]; !there && len(o.resources) >= mostURIs {
		return nil
	}
	r := resource{ids: map[string]bool{}, until: o.feed.now().Add(Keep)}
	for _, id := range ids {
		r.ids[id] = true
	}
	known := o.ids()
	o.resources[uri] = r
	o.updated = updated
	fresh := o.stop == nil || !o.session.Is(s)
	for id := range r.ids {
		fresh = fresh || !known[id]
	}
	o.session = s
	if !fresh {
		return nil
	}
	stop = o.stop
	o.stop = s.Follow(slices.Collect(maps.Keys(o.ids())), o.tell)
	return stop
}

// ids are the entities of all resources. mu is held.
func (o *follower) ids() map[string]bool {
	all := map[string]bool{}
	for _, r := range o.resources {
		for id := range r.ids {
			all[id] = true
		}
	}
	return all
}

// tell marks resources of which something has changed. The first event of every
// subscription has all states, so that what changed while there was none counts.
func (o *follower) tell(changed map[string]api.State) {
	o.mu.Lock()
	any := false
	for id, s := range changed {
		now := string(s.State) + "\x00" + s.LastUpdated.String()
		was, heard := o.was[id]
		o.was[id] = now
		if !heard || was == now {
			continue
		}
		for uri, r := range o.resources {
			if r.ids[id] {
				o.dirty[uri], any = true, true
			}
		}
	}
	o.mu.Unlock()
	if any {
		select {
		case o.news <- struct{}{}:
		default:
		}
	}
}

// run tells the user's watchers, away from the connection's reader.
func (o *follower) run() {
	defer func() {
		o.mu.Lock()
		stop := o.stop
		o.mu.Unlock()
		if stop != nil {
			stop()
		}
	}()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-o.end:
			return
		case <-ticker.C:
			if o.expire() {
				return
			}
			continue
		case <-o.news:
		}
		o.mu.Lock()
		dirty, updated := o.dirty, o.updated
		o.dirty = map[string]bool{}
		o.mu.Unlock()
		for uri := range dirty {
			updated(uri)
		}
		pause := time.NewTimer(Every)
		select {
		case <-pause.C:
		case <-o.end:
			pause.Stop()
			return
		}
	}
}

// expire forgets what nobody has read for long. It tells whether nothing is left.
func (o *follower) expire() bool {
	o.feed.mu.Lock()
	defer o.feed.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.feed.now()
	for uri, r := range o.resources {
		if now.After(r.until) {
			delete(o.resources, uri)
		}
	}
	if len(o.resources) > 0 || o.feed.closed {
		return false
	}
	delete(o.feed.all, o.user)
	return true
}
