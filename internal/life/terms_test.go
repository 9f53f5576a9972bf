package life_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/life"
)

// TestTerms lets terms begin and end at random and holds each to what a timer of its
// own would have done, to the nanosecond.
func TestTerms(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { terms(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func terms(t *testing.T, random *rand.Rand) {
	const length = 10 * time.Second
	q := life.NewTerms(length)
	type one struct {
		life.Term
		begun time.Time
		up    atomic.Pointer[time.Time]
		calls atomic.Int64
		ended bool
	}
	var all []*one
	for range 300 {
		time.Sleep(time.Duration(random.Int64N(int64(random.IntN(4))*int64(time.Second) + 1)))
		if random.IntN(2) == 0 || len(all) == 0 {
			o := &one{}
			o.begun = q.Begin(&o.Term, func() {
				now := time.Now()
				o.up.Store(&now)
				o.calls.Add(1)
			})
			if !o.begun.Equal(time.Now()) {
				t.Fatalf("begun at %s, it is %s", o.begun, time.Now())
			}
			all = append(all, o)
			continue
		}
		o := all[random.IntN(len(all))]
		synctest.Wait() // what is up now is up
		running := !o.ended && time.Since(o.begun) < length
		if q.End(&o.Term) != running {
			t.Fatalf("ended after %s (before: %v): %v", time.Since(o.begun), o.ended, !running)
		}
		o.ended = o.ended || running
	}
	time.Sleep(length)
	synctest.Wait()
	for _, o := range all {
		switch calls := o.calls.Load(); {
		case o.ended && calls != 0:
			t.Error("one that was ended was up")
		case o.ended:
		case calls != 1:
			t.Errorf("up %d times", calls)
		case o.up.Load().Sub(o.begun) != length:
			t.Errorf("up after %s", o.up.Load().Sub(o.begun))
		}
	}
}

// A term may begin again, also in what its end calls.
func TestTerms_again(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, begun := life.NewTerms(time.Second), time.Now()
		var term life.Term
		var up func()
		var at []time.Duration
		up = func() {
			at = append(at, time.Since(begun))
			if len(at) < 3 {
				q.Begin(&term, up)
			}
		}
		q.Begin(&term, up)
		time.Sleep(time.Minute)
		synctest.Wait()
		if fmt.Sprint(at) != "[1s 2s 3s]" {
			t.Errorf("up after %v", at)
		}
	})
}
