package sequentialthinking

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"drawbridge/internal/fault"
)

// maxSessionID bounds the names that callers choose.
const maxSessionID = 200

// store holds the sessions of all users. Its size is bounded per user, and what
// a user leaves for a day is dropped at the next call of anybody.
type store struct {
	now func() time.Time

	mu    sync.Mutex // guards users and all below it
	users map[string]*user
	swept time.Time
}

// user is one user's sessions.
type user struct {
	sessions map[string]*session
	current  string // the session of thoughts without session_id; "" before the first
	next     int    // number of the next session named by us
	size     int    // bytes of all thoughts
}

// session is one line of thought. Its slice is only appended to, so that a
// reader may keep a prefix of it.
type session struct {
	id       string
	created  time.Time
	used     time.Time
	ended    bool // its last thought needed no next one
	closed   bool // by end_thinking_session
	thoughts []thought
	branches []string // in the order they began
	size     int
}

// thought is one thought as it was written.
type thought struct {
	thinkIn
	at time.Time
}

// state is what a caller learns of a session.
type state struct {
	id       string
	length   int
	branches []string
	started  bool // by this thought
}

func newStore(now func() time.Time) *store { return &store{now: now, users: map[string]*user{}} }

// add writes a thought to the session it names, or to the user's current one. A
// first thought after the current session came to its end, and any thought after
// it was closed, starts a new one.
func (s *store) add(name string, in thinkIn) (state, []string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(name)
	id := in.SessionID
	if id == "" {
		id = u.currentFor(in)
	}
	target, known := u.sessions[id]
	if !known {
		target = &session{id: id, created: s.now()}
	}
	if err := u.room(target, len(in.Thought)); err != nil {
		return state{}, nil, err
	}
	if !known {
		u.sessions[id] = target
	}
	if in.SessionID == "" {
		u.current = id
	}
	warnings := target.append(thought{in, s.now()})
	u.size += len(in.Thought)
	u.evict(target)
	return state{id, len(target.thoughts), jsKeyOrder(target.branches), !known}, warnings, nil
}

// currentFor is the session for a thought that names none.
func (u *user) currentFor(in thinkIn) string {
	if s := u.sessions[u.current]; s != nil && !s.closed && (!s.ended || in.ThoughtNumber != 1) {
		return u.current
	}
	for {
		u.next++
		id := "session-" + strconv.Itoa(u.next)
		if u.sessions[id] == nil {
			return id
		}
	}
}

// room refuses a thought that a session can never hold.
func (u *user) room(s *session, size int) error {
	if len(s.thoughts) >= maxThoughts || s.size+size > maxUserSize {
		return fault.New(fault.Limited, "The session %s is full with %d thoughts. Go on in another one: send another session_id, or call end_thinking_session and start with thoughtNumber 1.", s.id, len(s.thoughts))
	}
	return nil
}

// evict drops sessions until the user is within bounds, the one unused for
// longest first, and never keep.
func (u *user) evict(keep *session) {
	for len(u.sessions) > maxSessions || u.size > maxUserSize {
		var oldest *session
		for _, s := range u.sessions {
			if s != keep && (oldest == nil || s.used.Before(oldest.used) || s.used.Equal(oldest.used) && s.id < oldest.id) {
				oldest = s
			}
		}
		if oldest == nil {
			return
		}
		u.drop(oldest)
	}
}

func (u *user) drop(s *session) {
	delete(u.sessions, s.id)
	u.size -= s.size
}

// append writes a thought and tells what is odd about it.
func (s *session) append(t thought) (warnings []string) {
	if t.RevisesThought > 0 && !s.has(t.RevisesThought) {
		warnings = append(warnings, fmt.Sprintf("revisesThought %d is not a thought of this session", t.RevisesThought))
	}
	s.thoughts = append(s.thoughts, t)
	s.size += len(t.Thought)
	s.used = t.at
	s.ended = !bool(t.NextThoughtNeeded)
	if t.BranchFromThought > 0 && t.BranchID != "" && !slices.Contains(s.branches, t.BranchID) {
		s.branches = append(s.branches, t.BranchID)
	}
	return warnings
}

func (s *session) has(number count) bool {
	return slices.ContainsFunc(s.thoughts, func(t thought) bool { return t.ThoughtNumber == number })
}

// find gives a copy of a session; "" is the current one.
func (s *store) find(name, id string) (session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(name)
	if id == "" {
		id = u.current
	}
	found := u.sessions[id]
	switch {
	case found != nil:
		return *found, nil
	case id == "":
		return session{}, fault.New(fault.NotFound, "There is no thinking session yet. Write a thought with sequentialthinking first.")
	}
	return session{}, fault.New(fault.NotFound, "There is no thinking session %q. list_thinking_sessions has those there are.", id)
}

// list gives copies of a user's sessions, the one used last first.
func (s *store) list(name string) (all []session, current string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(name)
	for _, one := range u.sessions {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b session) int { return cmp.Or(b.used.Compare(a.used), cmp.Compare(a.id, b.id)) })
	return all, u.current
}

// end marks a session as ended; "" is the current one.
func (s *store) end(name, id string) (session, error) {
	found, err := s.find(name, id)
	if err != nil {
		return session{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if live := s.user(name).sessions[found.id]; live != nil {
		live.ended, live.closed = true, true
		return *live, nil
	}
	return found, nil // dropped in between: ended enough
}

// user finds or makes a user, after what is too old was dropped. The lock is held.
func (s *store) user(name string) *user {
	if now := s.now(); now.Sub(s.swept) > time.Minute {
		s.swept = now
		s.sweep(now.Add(-sessionTTL))
	}
	u := s.users[name]
	if u == nil {
		u = &user{sessions: map[string]*session{}}
		s.users[name] = u
	}
	return u
}

func (s *store) sweep(before time.Time) {
	for _, u := range s.users {
		for _, one := range u.sessions {
			if one.used.Before(before) {
				u.drop(one)
			}
		}
	}
	maps.DeleteFunc(s.users, func(_ string, u *user) bool { return len(u.sessions) == 0 })
}

// jsKeyOrder is the order of the keys of a JavaScript object, in which the
// original keeps branches: array indexes first, by value, then the others as
// they came.
func jsKeyOrder(keys []string) []string {
	sorted := slices.Clone(keys)
	slices.SortStableFunc(sorted, func(a, b string) int {
		i, aIndex := arrayIndex(a)
		j, bIndex := arrayIndex(b)
		switch {
		case aIndex && bIndex:
			return cmp.Compare(i, j)
		case aIndex:
			return -1
		case bIndex:
			return 1
		}
		return 0
	})
	return sorted
}

func arrayIndex(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return n, err == nil && n < 1<<32-1 && strconv.FormatUint(n, 10) == s
}
