// Package stream carries messages to one client: the log of events that a
// connection reads and may resume, the writer of an event stream over HTTP, and
// the writing of answers, whole or in pieces.
//
// endpoint/session and the endpoints use it. It knows HTTP's answers, not its
// methods, and neither sessions nor revisions.
package stream

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/eventstream"
)

// queueBytes bounds what waits for a slow client on one stream; beyond it the
// oldest events are lost.
const queueBytes = 4 << 20

// Stream is an ordered log of events toward one client, with one reader at a
// time: a new reader takes over from the one before. What its reader has
// delivered stays for Last-Event-ID up to a cap, where the stream has a name.
type Stream struct {
	name string // event ids are <name>-<sequence>; "" means no ids and nothing is kept
	keep int    // bytes kept while nobody reads, or after delivery

	mu     sync.Mutex // guards what follows
	events [][]byte   // consecutive; the first has sequence number first
	first  uint64
	bytes  int
	queue  int  // bytes that may wait for the reader
	strict bool // end rather than lose an event
	reader *Reader
	ended  time.Time // zero while events may come
}

// Reader is one connection's place in a stream.
type Reader struct {
	s        *Stream
	next     uint64 // sequence number to deliver next
	wake     chan struct{}
	replaced bool
	stop     bool // leave as soon as nothing is left to deliver
}

// New returns a stream. With a name its events carry ids, and up to keep bytes
// of them wait for a reader that comes, or comes back.
func New(name string, keep int) *Stream {
	return &Stream{name: name, keep: keep, first: 1, queue: queueBytes}
}

// NewLarge returns a stream without ids on which up to max bytes may wait for
// the reader: for transports whose answers have no connection of their own. As
// nothing on it may get lost, it ends when its client is too slow.
func NewLarge(max int) *Stream { return &Stream{first: 1, queue: max, strict: true} }

// Name is the part of event ids that names the stream.
func (s *Stream) Name() string { return s.name }

// Push appends a message and keeps the frame. Behind the end it does nothing.
func (s *Stream) Push(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.IsZero() {
		s.append(frame)
	}
}

// End appends last, if there is one, and says that no more will come.
func (s *Stream) End(last []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended.IsZero() {
		return
	}
	if last != nil {
		s.append(last)
	}
	s.ended = time.Now()
	s.signal()
}

func (s *Stream) append(frame []byte) {
	s.events = append(s.events, frame)
	s.bytes += len(frame)
	if s.strict && s.bytes > s.queue {
		s.events, s.bytes, s.ended = nil, 0, time.Now()
	}
	s.trim()
	s.signal()
}

// trim drops the oldest events: delivered ones beyond what is kept, and waiting
// ones beyond what may wait.
func (s *Stream) trim() {
	for len(s.events) > 0 {
		limit := s.keep
		if s.reader != nil && s.first >= s.reader.next {
			limit = s.queue
		}
		if s.bytes <= limit {
			return
		}
		s.bytes -= len(s.events[0])
		s.events[0] = nil
		s.events = s.events[1:]
		s.first++
	}
	s.events = nil // gives the array back
}

func (s *Stream) signal() {
	if s.reader != nil {
		select {
		case s.reader.wake <- struct{}{}:
		default: // already awake
		}
	}
}

// Attach makes a reader that starts behind the event with the sequence number
// given, and sends the reader before it away.
func (s *Stream) Attach(after uint64) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader != nil {
		s.reader.replaced = true
		s.signal()
	}
	s.reader = &Reader{s: s, next: max(after+1, s.first), wake: make(chan struct{}, 1)}
	s.signal()
	return s.reader
}

// AttachNew is Attach behind everything said so far.
func (s *Stream) AttachNew() *Reader {
	s.mu.Lock()
	last := s.first + uint64(len(s.events)) - 1
	s.mu.Unlock()
	return s.Attach(last)
}

// Heard tells whether somebody reads the stream.
func (s *Stream) Heard() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reader != nil
}

// Room is how many bytes one more event may have.
func (s *Stream) Room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader != nil {
		return s.queue
	}
	return s.keep
}

// Held is how many bytes the stream holds, and when it ended; zero while events
// may come.
func (s *Stream) Held() (bytes int, ended time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, s.ended
}

// Detach ends the reader. What it did not deliver waits for the next one.
func (r *Reader) Detach() {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader == r {
		s.reader = nil
		s.trim()
	}
}

// Finish lets the reader's pump return as soon as nothing is left to deliver.
func (r *Reader) Finish() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.stop = true
	r.s.signal()
}

// state is what a reader finds.
type state int

const (
	waiting state = iota // for the next event
	done                 // the stream ended, or the reader was told to finish
	ousted               // another reader took over
)

// take appends the waiting events to dst as an event stream.
func (r *Reader) take(dst []byte) ([]byte, state) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.replaced {
		return dst, ousted
	}
	r.next = max(r.next, s.first)
	for int(r.next-s.first) < len(s.events) && len(dst) < takeBytes {
		dst = eventstream.AppendEvent(dst, s.id(r.next), "message", s.events[r.next-s.first])
		r.next++
	}
	more := int(r.next-s.first) < len(s.events)
	s.trim()
	if !more && (r.stop || !s.ended.IsZero()) {
		return dst, done
	}
	if more {
		s.signal()
	}
	return dst, waiting
}

// takeBytes is about how much is written to a client at once.
const takeBytes = 64 << 10

// NextID is the id of the event behind those delivered, for one that is written
// past the log; "" where events have none.
func (r *Reader) NextID() string {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.id(r.next)
}

func (s *Stream) id(seq uint64) string {
	if s.name == "" {
		return ""
	}
	b := make([]byte, 0, len(s.name)+1+20)
	b = append(append(b, s.name...), '-')
	return string(strconv.AppendUint(b, seq, 10))
}

// SplitID takes an event id apart.
func SplitID(id string) (name string, seq uint64, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i <= 0 {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(id[i+1:], 10, 63)
	return id[:i], seq, err == nil
}
