package store

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/fault"
)

// Topic is a subject whose writes a running server follows.
type Topic int

// The topics. Writes that nobody follows (last use, audit, catalogues, what is
// issued) are quiet.
const (
	quiet Topic = iota
	Keys        // who may come in and what is allowed: users, keys, grants, clients, profiles
	Backends
	topicCount
)

// String is the topic's name in the database.
func (t Topic) String() string { return [topicCount]string{"", "keys", "backends"}[t] }

// Change tells that a topic was written, by this process or another.
type Change struct{ Topic Topic }

const (
	pollEvery  = 500 * time.Millisecond // so that a change is seen within a second
	retryAfter = 500 * time.Millisecond // after the feed broke
	staleAfter = 10 * time.Second       // without a look at the database, nothing is known any more
)

// errStale is what followers get while the feed is broken.
var errStale = fault.New(fault.Unavailable, "Drawbridge cannot reach its database now. Try again in a few seconds.")

// feed is the process's view of which topics changed.
type feed struct {
	versions [topicCount]atomic.Uint64 // raised with each change
	stale    atomic.Bool

	mu   sync.Mutex // guards seen and subs
	seen [topicCount]int64
	subs map[*subscriber]struct{}
}

// subscriber collects the topics that changed since it last looked.
type subscriber struct {
	dirty [topicCount]bool // guarded by feed.mu
	wake  chan struct{}    // holds one token while something is dirty
}

// publish notes that the database has a version of topic.
func (f *feed) publish(topic Topic, version int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if version <= f.seen[topic] {
		return
	}
	f.seen[topic] = version
	f.versions[topic].Add(1)
	for sub := range f.subs {
		sub.dirty[topic] = true
		select {
		case sub.wake <- struct{}{}:
		default:
		}
	}
}

// KeysVersion is a number that rises with every change of who may come in and what
// is allowed: at once for changes of this process, within a second for those of
// others. It fails while the database cannot be followed, when no answer could be
// trusted.
func (s *Store) KeysVersion() (uint64, error) {
	if err := s.Err(); err != nil {
		return 0, err
	}
	if s.feed.stale.Load() {
		return 0, errStale
	}
	return s.feed.versions[Keys].Load(), nil
}

// Changes delivers each change from now on until ctx ends or the store closes;
// then the channel is closed. Changes of one topic that follow each other faster
// than they are received count as one.
func (s *Store) Changes(ctx context.Context) <-chan Change {
	sub := &subscriber{wake: make(chan struct{}, 1)}
	s.feed.mu.Lock()
	if s.feed.subs == nil {
		s.feed.subs = map[*subscriber]struct{}{}
	}
	s.feed.subs[sub] = struct{}{}
	s.feed.mu.Unlock()

	out := make(chan Change)
	s.running.Go(func() { // ends with ctx or with s.stop, awaited by Close
		defer close(out)
		defer s.feed.leave(sub)
		for {
			select {
			case <-sub.wake:
			case <-ctx.Done():
				return
			case <-s.ctx.Done():
				return
			}
			for _, topic := range s.feed.take(sub) {
				select {
				case out <- Change{topic}:
				case <-ctx.Done():
					return
				case <-s.ctx.Done():
					return
				}
			}
		}
	})
	return out
}

func (f *feed) take(sub *subscriber) (topics []Topic) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for topic, dirty := range sub.dirty {
		if dirty {
			topics = append(topics, Topic(topic))
		}
	}
	sub.dirty = [topicCount]bool{}
	return topics
}

func (f *feed) leave(sub *subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.subs, sub)
}

// follow keeps the feed up until the store closes. When the engine cannot tell
// any more it starts anew, and after a while declares the feed stale.
func (s *Store) follow() {
	lastLook := time.Now()
	look := func(ctx context.Context) error {
		if err := s.look(ctx); err != nil {
			return err
		}
		lastLook = time.Now()
		if s.feed.stale.Swap(false) {
			s.log.Info("database is followed again")
		}
		return nil
	}
	for s.ctx.Err() == nil {
		err := s.engine.follow(s.ctx, s, look)
		if s.ctx.Err() != nil || s.Err() != nil {
			return
		}
		if time.Since(lastLook) > staleAfter && !s.feed.stale.Swap(true) {
			s.log.Error("database cannot be followed: credentials are refused until it answers", "error", err)
		}
		select {
		case <-s.ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

// look reads the versions and publishes what is new.
func (s *Store) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found := map[string]int64{}
	err := s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var topic string
			var version int64
			err := rows.Scan(&topic, &version)
			found[topic] = version
			return err
		}, "SELECT topic, version FROM changes")
	})
	if err != nil {
		return err
	}
	for topic := quiet + 1; topic < topicCount; topic++ {
		s.feed.publish(topic, found[topic.String()])
	}
	return nil
}
