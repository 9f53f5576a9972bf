package life

import (
	"sync"
	"time"
)

// Terms are times of one length, of which many run at once. Each is a place in a
// line instead of a timer: whoever came first is up first, and only that one is
// waited for.
type Terms struct {
	length time.Duration

	mu          sync.Mutex // guards what follows, and the terms in line
	timer       *time.Timer
	runs        bool // the timer; it may wait for one that has gone since
	first, last *Term
}

// NewTerms are terms of the given length.
func NewTerms(length time.Duration) *Terms { return &Terms{length: length} }

// Length is how long each takes.
func (q *Terms) Length() time.Duration { return q.length }

// Term is one of them. Whoever uses one keeps it where it lives itself.
type Term struct {
	up         func()
	end        time.Time
	in         bool
	prev, next *Term
}

// Begin has up called, on a goroutine of its own, when the length is over. It says
// what time it is.
func (q *Terms) Begin(t *Term, up func()) (now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now = time.Now() // under the lock, so that the line is in order
	*t = Term{up: up, end: now.Add(q.length), in: true, prev: q.last}
	if q.last != nil {
		q.last.next = t
	} else {
		q.first = t
	}
	q.last = t
	if !q.runs {
		q.wait(q.length)
	}
	return now
}

// wait has look called after d. q.mu is held.
func (q *Terms) wait(d time.Duration) {
	q.runs = true
	if q.timer == nil {
		q.timer = time.AfterFunc(d, q.look)
		return
	}
	q.timer.Reset(d)
}

// look calls those who are up, and waits for the next.
func (q *Terms) look() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.runs = false
	for now := time.Now(); q.first != nil; {
		t := q.first
		if left := t.end.Sub(now); left > 0 {
			q.wait(left)
			return
		}
		q.remove(t)
		go t.up()
	}
}

// End ends a term before its time. It reports false when that comes too late, or when
// the term had none.
func (q *Terms) End(t *Term) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !t.in {
		return false
	}
	q.remove(t)
	return true
}

func (q *Terms) remove(t *Term) {
	t.in = false
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		q.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		q.last = t.prev
	}
	t.prev, t.next = nil, nil
}
