package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/runner"
)

func TestRun_limit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := runner.New("notes", 1, nil)
		go func() { // ends by itself; the bubble awaits it
			if err := r.Run(t.Context(), func() error { time.Sleep(time.Minute); return nil }); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.Run(ctx, func() error { t.Error("two run at once"); return nil })
		if fault.CodeOf(err) != fault.Limited || !strings.Contains(fault.PublicOf(err), "notes is busy with 1 calls") {
			t.Errorf("beyond the limit: %v", err)
		}
		if err := r.Protect(ctx, func() error { return nil }); err != nil {
			t.Errorf("work that does not count: %v", err)
		}
		time.Sleep(time.Minute)
		if err := r.Run(t.Context(), func() error { return nil }); err != nil {
			t.Errorf("after the other: %v", err)
		}
	})
}

// A panic is the error of its own call, and gives its place back.
func TestRun_panic(t *testing.T) {
	t.Parallel()
	r := runner.New("notes", 1, nil)
	for range 2 {
		if err := r.Run(t.Context(), func() error { panic("oops") }); err == nil || fault.CodeOf(err) != fault.Internal || !strings.Contains(err.Error(), "oops") {
			t.Errorf("%v", err)
		}
	}
}

// A server that could not prepare tries again, and is prepared once.
func TestRun_prepare(t *testing.T) {
	t.Parallel()
	tries, bad := 0, errors.New("no disk")
	r := runner.New("notes", 1, func(context.Context) error {
		if tries++; tries == 1 {
			return bad
		}
		return nil
	})
	if err := r.Run(t.Context(), func() error { t.Error("it runs unprepared"); return nil }); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	for range 3 {
		if err := r.Run(t.Context(), func() error { return nil }); err != nil {
			t.Error(err)
		}
	}
	if tries != 2 {
		t.Errorf("prepared %d times", tries)
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := runner.Sleep(t.Context(), time.Minute); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("%s: %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := runner.Sleep(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		for range 100 { // whatever else is ready
			if err := runner.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("after the end: %v", err)
			}
		}
	})
}
