package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/life"
	"drawbridge/internal/mcpwire"
)

// Session is a legacy session that is awake: what is in flight in it, its
// streams, and its watch. What a session id carries survives it.
type Session struct {
	d       *Dispatcher
	token   string
	key     string            // names the session toward store and gateway
	owner   account.Principal // as it was when the session woke
	expires time.Time
	bound   Outlet // the one way to the client of a connection's session; nil otherwise

	refs   atomic.Int64 // requests and streams that hold the session
	used   atomic.Int64 // when the last of them let go, in nanoseconds
	caller atomic.Pointer[mcpwire.Caller]

	mu      sync.Mutex // guards what follows
	closed  bool
	calls   map[string]*life.Life            // by the client's id
	asks    map[string]chan<- mcpwire.Answer // by our id
	tag     string                           // makes ids of streams and questions unique across restarts
	serial  uint64
	outside *stream.Stream   // what belongs to no call; the GET stream reads it
	streams []*stream.Stream // of calls, running and finished

	watching sync.Mutex // held while the watch is opened or changed; guards what follows
	watch    mcpwire.Watch
	heard    string   // the key of the access that the watch has
	wanted   []string // subscribed URIs
}

// errCancelled is the cause of a call's end that the client asked for;
// errClosed of one whose session ended.
var (
	errCancelled = errors.New("cancelled by the client")
	errClosed    = errors.New("the session has ended")
)

func newSession(d *Dispatcher, p account.Principal, caller *mcpwire.Caller) *Session {
	s := &Session{d: d, owner: p}
	if caller != nil {
		s.caller.Store(caller)
	}
	return s
}

// NewBound makes a session that lives as long as one connection, to which out
// leads: HTTP+SSE and stdio. Introduce sets its caller.
func (d *Dispatcher) NewBound(p account.Principal, out Outlet) *Session {
	s := newSession(d, p, nil)
	s.token = rand.Text() + rand.Text()
	s.key = keyOf(s.token)
	s.bound = out
	return s
}

// ID is the session id the client sends.
func (s *Session) ID() string { return s.token }

// Caller is the client as it introduced itself, or nil before initialize.
func (s *Session) Caller() *mcpwire.Caller { return s.caller.Load() }

// Revision is what the session speaks; "" before initialize.
func (s *Session) Revision() mcpwire.Revision {
	if c := s.caller.Load(); c != nil {
		return c.Revision
	}
	return ""
}

// Owned tells whether the session belongs to p: what account.Principal.Owner names,
// compared part by part.
func (s *Session) Owned(p account.Principal) bool {
	return s.owner.User == p.User && s.owner.Credential == p.Credential && s.owner.Profile == p.Profile
}

// Outside is the stream of what belongs to no call.
func (s *Session) Outside() *stream.Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outside == nil {
		s.outside = stream.New(s.mark()+".0", s.d.cfg.RingBytes)
	}
	return s.outside
}

// NewStream makes the stream of the call with the raw id given. The id is part of
// its name, so that one whose answer is lost can be told so.
func (s *Session) NewStream(id []byte) *stream.Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(time.Now())
	s.serial++
	name := s.mark() + "." + strconv.FormatUint(s.serial, 36) + "." + base64.RawURLEncoding.EncodeToString(id)
	st := stream.New(name, s.d.cfg.RingBytes)
	s.streams = append(s.streams, st)
	return st
}

// Resume finds the stream of an event id of this session, and the number of the
// event. Ids from before a restart name the outside stream from its beginning, or a
// call that did not survive: its stream is one with the answer that says so.
func (s *Session) Resume(eventID string) (st *stream.Stream, after uint64, ok bool) {
	name, seq, ok := stream.SplitID(eventID)
	if !ok {
		return nil, 0, false
	}
	outside := s.Outside()
	if name == outside.Name() {
		return outside, seq, true
	}
	s.mu.Lock()
	for _, st := range s.streams {
		if st.Name() == name {
			s.mu.Unlock()
			return st, seq, true
		}
	}
	s.mu.Unlock()
	if strings.HasSuffix(name, ".0") {
		return outside, 0, true
	}
	return lostStream(name)
}

// lostStream answers the call of a stream that is not kept. A client that only got
// an HTTP error here would give up its session, or wait for the answer until its
// time was up.
func lostStream(name string) (st *stream.Stream, after uint64, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 {
		return nil, 0, false
	}
	id, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || !mcpwire.ValidID(id) {
		return nil, 0, false
	}
	answer := mcpwire.AppendErrorResponse(nil, id, errLostAnswer)
	st = stream.New(name, len(answer))
	st.End(answer)
	return st, 0, true
}

var errLostAnswer = mcpwire.Errorf(mcpwire.CodeInternal, "The answer of this call is lost: the server was restarted, or the answer was kept as long as answers are. It is unknown whether the call took effect: look before you repeat it.")

// prune forgets streams of calls that ended long ago or hold too much together.
func (s *Session) prune(now time.Time) {
	budget := 4 * s.d.cfg.RingBytes
	for i, st := range slices.Backward(s.streams) {
		bytes, ended := st.Held()
		if ended.IsZero() {
			continue
		}
		if budget -= bytes; budget < 0 || now.Sub(ended) > s.d.cfg.ResumeFor {
			s.streams = slices.Delete(s.streams, i, i+1)
		}
	}
	if len(s.streams) == 0 {
		s.streams = nil
	}
}

func (s *Session) mark() string {
	if s.tag == "" {
		s.tag = rand.Text()[:10]
	}
	return s.tag
}

// Enter registers a request under the client's id. The context it returns does
// not end with the connection: a legacy client that drops one has not cancelled.
// ok is false when the id is in flight already. Settle must follow, and then its end.
func (s *Session) Enter(ctx context.Context, id []byte) (call *life.Life, key string, ok bool) {
	key = idKey(id)
	call = life.Detached(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.calls[key]; taken {
		return nil, "", false
	}
	if s.closed {
		call.End(errClosed) // End came between
	}
	if s.calls == nil {
		s.calls = map[string]*life.Life{}
	}
	s.calls[key] = call
	return call, key, true
}

// Settle says that the request has its outcome: its id may be used again, which
// a quick client does as soon as it has read the answer. The caller ends the
// request's context when the answer is written; what is streamed lives on it.
func (s *Session) Settle(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, key)
}

// Busy is how many requests are in flight.
func (s *Session) Busy() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *Session) cancel(id []byte) {
	s.mu.Lock()
	call := s.calls[idKey(id)]
	s.mu.Unlock()
	if call != nil {
		call.End(errCancelled)
	}
}

// idKey makes ids comparable: a string id may be written in more than one way.
func idKey(raw []byte) string {
	for _, c := range raw {
		if c == '\\' {
			if s, ok := jsonscan.Unquote(raw); ok {
				return string(jsonscan.AppendQuote(nil, s))
			}
		}
	}
	return string(raw)
}

// Close ends the session in memory: calls are cancelled, streams end, the watch
// is closed.
func (s *Session) Close() {
	s.Abandon()
	s.mu.Lock()
	calls := slices.Collect(maps.Values(s.calls))
	s.mu.Unlock()
	for _, call := range calls {
		call.End(errClosed)
	}
}

// Abandon is Close for a client that went away: its calls go on, as losing a
// legacy client's connection is no cancelling, but nobody can be asked or told.
func (s *Session) Abandon() {
	s.mu.Lock()
	s.closed = true
	streams := slices.Clone(s.streams)
	if s.outside != nil {
		streams = append(streams, s.outside)
	}
	asks := s.asks
	s.asks = nil
	s.mu.Unlock()
	for _, answer := range asks {
		answer <- mcpwire.Answer{Err: mcpwire.Errorf(mcpwire.CodeInternal, "The client went away before it answered.")}
	}
	for _, st := range streams {
		st.End(nil)
	}
	s.watching.Lock()
	defer s.watching.Unlock()
	if s.watch != nil {
		s.watch.Close()
		s.watch = nil
	}
}
