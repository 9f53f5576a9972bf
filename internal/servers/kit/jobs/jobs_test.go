package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/jobs"
)

// waits is work that takes d.
func waits(d time.Duration) func(context.Context, *jobs.Job[int]) (int, error) {
	return func(ctx context.Context, _ *jobs.Job[int]) (int, error) {
		select {
		case <-time.After(d):
			return 7, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Ended jobs are forgotten, the oldest first beyond a user's number; running ones
// never are.
func TestRegistry_forgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan string, 5)
		r := jobs.New[int](time.Now, jobs.Limits{Running: 10, Kept: 3, Keep: time.Hour}, func(user, id string) { ended <- user + id })
		ids := map[int]string{}
		for i := range 5 {
			j, err := r.Start(t.Context(), "ann", fmt.Sprint(i), 2*time.Hour, waits(time.Duration(5-i)*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			ids[i] = r.Keep(j)
		}
		if all := r.Of("ann"); len(all) != 5 {
			t.Errorf("%d of 5 running jobs are kept", len(all))
		}
		time.Sleep(2*time.Minute + time.Second) // of the bubble: the last two have ended
		synctest.Wait()
		if first := <-ended; len(ended) != 1 || first != "ann"+ids[4] {
			t.Errorf("told of the end of %s and %d more", first, len(ended))
		}
		if all := r.Of("ann"); len(all) != 3 || all[0].What != "0" {
			t.Errorf("kept: %d", len(all))
		}
		if _, err := r.Find("bob", ids[0]); fault.CodeOf(err) != fault.NotFound {
			t.Error("bob finds ann's job")
		}
		time.Sleep(3 * time.Minute)
		if j, err := r.Find("ann", ids[0]); err != nil || j.Report().State != jobs.Done {
			t.Error("a job that has just ended is not found")
		}
		time.Sleep(time.Hour + time.Second)
		if all := r.Of("ann"); len(all) != 0 {
			t.Errorf("%d jobs after an hour", len(all))
		}
	})
}

func TestRegistry_stop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := jobs.New[int](time.Now, jobs.DefaultLimits(), func(string, string) {})
		j, err := r.Start(t.Context(), "ann", "x", time.Hour, waits(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Result(); !errors.Is(err, context.Canceled) {
			t.Errorf("after Stop: %v", err)
		}
		if _, err := r.Start(t.Context(), "ann", "x", time.Hour, waits(0)); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("a job after Stop: %v", err)
		}
	})
}

// Stop waits for work that does not heed its context no longer than it may.
func TestRegistry_stopBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := jobs.New[int](time.Now, jobs.DefaultLimits(), func(string, string) {})
		if _, err := r.Start(t.Context(), "ann", "x", time.Hour, func(context.Context, *jobs.Job[int]) (int, error) {
			time.Sleep(time.Minute)
			return 0, nil
		}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute) // the work ends, and with it what waits for it
	})
}

// A program that is told twice to stop has nothing to complain of where nothing ran.
func TestStop_inAHurry(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		r := jobs.New[int](time.Now, jobs.Limits{Running: 1, Kept: 1, Keep: time.Hour}, func(string, string) {})
		if err := r.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
