package audit

import (
	"slices"
	"sync"
)

// ring holds the records that wait for the writer. All memory is allocated at
// the start, and the writer is woken once per batch, not per record.
type ring struct {
	some chan struct{} // a token when the ring stopped being empty
	many chan struct{} // a token when it became half full

	mu    sync.Mutex // guards the rest
	slots []Record
	first int
	count int
}

func newRing(slots int) *ring {
	return &ring{some: make(chan struct{}, 1), many: make(chan struct{}, 1), slots: make([]Record, slots)}
}

// push copies a record into a free slot; false means there was none.
func (r *ring) push(record *Record) bool {
	r.mu.Lock()
	if r.count == len(r.slots) {
		r.mu.Unlock()
		return false
	}
	r.slots[(r.first+r.count)%len(r.slots)] = *record
	r.count++
	count := r.count
	r.mu.Unlock()
	if count == 1 {
		poke(r.some)
	}
	if count == (len(r.slots)+1)/2 {
		poke(r.many)
	}
	return true
}

// drain moves up to max records from the ring to the end of dst.
func (r *ring) drain(dst []Record, max int) []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(r.count, max)
	dst = slices.Grow(dst, n)
	for range n {
		dst = append(dst, r.slots[r.first])
		r.slots[r.first] = Record{} // let go of its strings
		r.first = (r.first + 1) % len(r.slots)
		r.count--
	}
	return dst
}

// waiting tells whether there are records.
func (r *ring) waiting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count > 0
}

// poke leaves a token unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
