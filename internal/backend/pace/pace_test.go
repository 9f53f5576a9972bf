package pace_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/backend/pace"
	"drawbridge/internal/fault"
	"drawbridge/internal/life"
)

func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := pace.NewGate(1, 1)
		if err := g.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := make(chan error, 1)
		go func() { second <- g.Enter(t.Context()) }()
		synctest.Wait()
		if err := g.Enter(t.Context()); !errors.Is(err, pace.ErrBusy) {
			t.Errorf("beyond the queue: %v", err)
		}
		g.Leave()
		if err := <-second; err != nil || g.Running() != 1 {
			t.Errorf("the one that waited: %v, %d run", err, g.Running())
		}
		drained := make(chan struct{})
		go func() { defer close(drained); g.Drain(t.Context()) }()
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Enter(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("the caller went away: %v", err)
		}
		g.Leave()
		<-drained
	})
}

func TestClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var clock pace.Clock
		clock.Set(t.Context(), life.NewTerms(time.Minute))
		defer clock.Free()
		time.Sleep(50 * time.Second)
		clock.Stop()
		clock.Stop() // a second question beside the first
		time.Sleep(time.Hour)
		clock.Start()
		time.Sleep(time.Hour)
		clock.Start()
		if clock.Err() != nil {
			t.Fatal("time ran out while people were asked")
		}
		<-clock.Done()
		if took := time.Since(begun); took != 2*time.Hour+time.Minute || !errors.Is(context.Cause(&clock), pace.ErrTime) {
			t.Errorf("ended after %s by %v", took, context.Cause(&clock))
		}
		if stood := clock.Stood(); stood != 2*time.Hour {
			t.Errorf("stood still for %s", stood)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	within := func(d, least, most time.Duration) bool { return d >= least*3/4 && d <= most*5/4 }
	var b pace.Backoff
	for i := range 20 {
		want := min(500*time.Millisecond<<min(i, 10), 30*time.Second)
		if i > 5 {
			want = 30 * time.Second
		}
		if d := b.Next(nil); !within(d, want, want) {
			t.Errorf("pause %d: %s, want about %s", i, d, want)
		}
	}
	if d := b.Next(fault.New(fault.Forbidden, "no")); !within(d, time.Minute, time.Minute) {
		t.Errorf("after a refused credential: %s", d)
	}
	b.Reset()
	if d := b.Next(fault.New(fault.Timeout, "slow")); !within(d, 500*time.Millisecond, 500*time.Millisecond) {
		t.Errorf("after a good one: %s", d)
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	var m pace.Meter
	m.Add(100 * time.Millisecond)
	if got := m.Millis(); got != 100 {
		t.Errorf("after the first: %v", got)
	}
	m.Add(200 * time.Millisecond)
	if got := m.Millis(); got <= 100 || got >= 200 {
		t.Errorf("after the second: %v", got)
	}
}
