package pace_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/backend/pace"
)

// enter gives a call a turn in a gate that has a place free.
func enter(t *testing.T, g *pace.Gate) *pace.Turn {
	t.Helper()
	turn := &pace.Turn{}
	if err := turn.Enter(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	return turn
}

// steps does to a turn what a text of letters says: o and i step out and in, l
// leaves, x steps in with a context that has ended (it takes a place that is free).
func steps(t *testing.T, turn *pace.Turn, does string) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, step := range does {
		switch step {
		case 'o':
			turn.StepOut()
		case 'i':
			turn.StepIn(t.Context())
		case 'x':
			turn.StepIn(ended)
		case 'l':
			turn.Leave()
		}
	}
}

func TestTurn_everyOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		does   string
		inside int64
	}{
		{"", 1}, {"l", 0}, {"ll", 0},
		{"o", 0}, {"ol", 0}, {"oll", 0},
		{"oi", 1}, {"oil", 0}, {"oioi", 1}, {"oioil", 0},
		{"oo", 0}, {"ooi", 0}, {"ooii", 1}, {"ooiil", 0}, {"ooil", 0},
		{"ox", 1}, {"oxl", 0}, {"oxoi", 1}, {"ooxi", 1}, {"ooioii", 1}, {"oooiii", 1}, {"ool", 0},
	}
	for _, tt := range tests {
		t.Run("steps "+tt.does, func(t *testing.T) {
			t.Parallel()
			g := pace.NewGate(1, 0)
			steps(t, enter(t, g), tt.does)
			if got := g.Running(); got != tt.inside {
				t.Errorf("%d inside, want %d", got, tt.inside)
			}
			// The gate has as many places as it counts.
			err := new(pace.Turn).Enter(t.Context(), g)
			if busy := errors.Is(err, pace.ErrBusy); busy != (tt.inside == 1) {
				t.Errorf("one more: %v", err)
			}
		})
	}
}

// TestTurn_thatEnteredNoGate gives nothing away.
func TestTurn_thatEnteredNoGate(t *testing.T) {
	t.Parallel()
	g := pace.NewGate(1, 0)
	in := enter(t, g)
	var turn pace.Turn
	if err := turn.Enter(t.Context(), g); !errors.Is(err, pace.ErrBusy) {
		t.Fatal(err)
	}
	turn.Leave()
	if g.Running() != 1 {
		t.Error("who was not let in has left")
	}
	in.Leave()
}

// TestTurn_givesItsPlaceAway to who waits, and waits for one itself then.
func TestTurn_givesItsPlaceAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := pace.NewGate(1, 1)
		asks, next := enter(t, g), &pace.Turn{}
		entered := make(chan error, 1)
		go func() { entered <- next.Enter(t.Context(), g) }()
		synctest.Wait()
		asks.StepOut()
		if err := <-entered; err != nil || g.Running() != 1 {
			t.Fatalf("who waited: %v, %d inside", err, g.Running())
		}
		back := make(chan struct{})
		go func() { defer close(back); asks.StepIn(t.Context()) }()
		synctest.Wait()
		select {
		case <-back:
			t.Fatal("two are in a gate for one")
		default:
		}
		next.Leave()
		<-back
		if g.Running() != 1 {
			t.Errorf("%d inside", g.Running())
		}
		asks.Leave()
		if g.Running() != 0 {
			t.Errorf("%d inside at the end", g.Running())
		}
	})
}

// TestTurn_stepsInWithoutAQueue: an answer is not lost because the queue is full.
func TestTurn_stepsInWithoutAQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := pace.NewGate(1, 0)
		var turns []*pace.Turn
		for range 5 {
			turns = append(turns, enter(t, g))
			turns[len(turns)-1].StepOut()
		}
		last := enter(t, g)
		var all sync.WaitGroup
		for _, turn := range turns {
			all.Go(func() {
				turn.StepIn(t.Context())
				if n := g.Running(); n != 1 {
					t.Errorf("%d inside", n)
				}
				time.Sleep(time.Second)
				turn.Leave()
			})
		}
		synctest.Wait()
		begun := time.Now()
		last.Leave()
		all.Wait()
		if took := time.Since(begun); took != 5*time.Second || g.Running() != 0 {
			t.Errorf("after %s %d are inside", took, g.Running())
		}
	})
}

// TestTurn_contextEnds while the turn waits to step in: it stays out, and leaves
// nobody else's place.
func TestTurn_contextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := pace.NewGate(1, 0)
		asks := enter(t, g)
		asks.StepOut()
		other := enter(t, g)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		asks.StepIn(ctx)
		if took := time.Since(begun); took != time.Second || g.Running() != 1 {
			t.Errorf("after %s %d are inside", took, g.Running())
		}
		steps(t, asks, "ox") // one more question, with the same end
		asks.Leave()
		if g.Running() != 1 {
			t.Errorf("%d inside, want the other", g.Running())
		}
		other.Leave()
		enter(t, g).Leave()
	})
}

// TestTurn_drain does not wait for who is out, and keeps them out.
func TestTurn_drain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := pace.NewGate(2, 0)
		asks, works := enter(t, g), enter(t, g)
		asks.StepOut()
		drained := make(chan struct{})
		go func() { defer close(drained); g.Drain(t.Context()) }()
		synctest.Wait()
		select {
		case <-drained:
			t.Fatal("it did not wait for the call that works")
		default:
		}
		works.Leave()
		<-drained
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		asks.StepIn(ctx)
		if ctx.Err() == nil || g.Running() != 0 {
			t.Errorf("it stepped into a drained gate: %d inside", g.Running())
		}
		asks.Leave()
	})
}

// TestTurn_drainThatGivesUp keeps what it got; the call that is out gets the rest.
func TestTurn_drainThatGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := pace.NewGate(2, 0)
		asks, works := enter(t, g), enter(t, g)
		asks.StepOut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		g.Drain(ctx)
		works.Leave()
		asks.StepIn(t.Context())
		if g.Running() != 1 {
			t.Errorf("%d inside", g.Running())
		}
		asks.Leave()
	})
}

// TestTurn_crowd lets many calls ask several questions each at once; there are never
// more inside than the gate has places, and all places come back.
func TestTurn_crowd(t *testing.T) {
	t.Parallel()
	const places = 3
	g := pace.NewGate(places, 100)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			var turn pace.Turn
			if err := turn.Enter(t.Context(), g); err != nil {
				t.Error(err)
				return
			}
			var questions sync.WaitGroup
			for range 4 {
				questions.Go(func() {
					turn.StepOut()
					turn.StepIn(t.Context())
					if n := g.Running(); n > places {
						t.Errorf("%d inside", n)
					}
				})
			}
			questions.Wait()
			turn.Leave()
		})
	}
	all.Wait()
	if g.Running() != 0 {
		t.Errorf("%d inside at the end", g.Running())
	}
	for range places {
		enter(t, g)
	}
}
