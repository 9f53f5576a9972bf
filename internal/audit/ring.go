package audit

import (
	"slices"
	"sync"
)

// ring holds the records that wait for the writer, which is woken once per batch,
// not per record. Its memory grows up to its bound as it is needed: a gateway that
// is used by one person never needs most of it.
type ring struct {
	some chan struct{} // a token when the ring stopped being empty
	many chan struct{} // a token when it became half full
	most int

	mu    sync.Mutex // guards the rest
	slots []Record
	first int
	count int
}

// firstSlots is the room that a ring begins with.
const firstSlots = 64

func newRing(most int) *ring {
	return &ring{some: make(chan struct{}, 1), many: make(chan struct{}, 1), most: most, slots: make([]Record, min(most, firstSlots))}
}

// push copies a record into a free slot; false means there was none.
func (r *ring) push(record *Record) bool {
	r.mu.Lock()
	if r.count == r.most {
		r.mu.Unlock()
		return false
	}
	if r.count == len(r.slots) {
		r.grow()
	}
	r.slots[(r.first+r.count)%len(r.slots)] = *record
	r.count++
	count := r.count
	r.mu.Unlock()
	if count == 1 {
		poke(r.some)
	}
	if count == (r.most+1)/2 {
		poke(r.many)
	}
	return true
}

// grow gives a full ring more room. r.mu is held.
func (r *ring) grow() {
	wider := make([]Record, min(2*len(r.slots), r.most))
	copy(wider[copy(wider, r.slots[r.first:]):], r.slots[:r.first])
	r.slots, r.first = wider, 0
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
