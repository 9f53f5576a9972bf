// Package jobs keeps work that may outlast the request that began it.
//
// A job starts as part of a request. Where the request cannot wait for its end,
// the job is kept: it gets an id, goes on under the registry's care, and its user
// reads, awaits or cancels it. It survives its client, not the process. Package
// kit makes jobs of long tools; the registry knows nothing of tools.
package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/fault"
)

// State says how far a job is.
type State string

// The states.
const (
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Limits bound a registry.
type Limits struct {
	Running int           // jobs of a user that run at once
	Kept    int           // jobs of a user that are remembered
	Keep    time.Duration // how long an ended job is remembered
}

// DefaultLimits are for a server whose long work is moderate.
func DefaultLimits() Limits { return Limits{Running: 8, Kept: 50, Keep: time.Hour} }

// Registry owns the jobs of one server. R is what a job brings. Safe for
// concurrent use.
type Registry[R any] struct {
	now    func() time.Time
	limits Limits
	ended  func(user, id string)
	wait   sync.WaitGroup // of all running jobs

	mu      sync.Mutex // guards what follows
	stopped bool
	running map[*Job[R]]bool
	kept    []*Job[R] // oldest first
}

// New makes a registry. ended is told of the end of every kept job.
func New[R any](now func() time.Time, limits Limits, ended func(user, id string)) *Registry[R] {
	return &Registry[R]{now: now, limits: limits, ended: ended, running: map[*Job[R]]bool{}}
}

// Job is one piece of work. Safe for concurrent use.
type Job[R any] struct {
	User, What string
	Started    time.Time

	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the work has ended

	mu       sync.Mutex // guards what follows
	id       string     // "" until it is kept
	progress Progress
	stopped  bool // somebody cancelled it
	ended    time.Time
	result   R
	err      error
}

// Progress is how far the work says it is; Total 0 is unknown.
type Progress struct {
	Done, Total float64
	Message     string
}

// Start runs work until it returns, is cancelled, or most has passed. Its context
// has the values of ctx, but does not end with it.
func (r *Registry[R]) Start(ctx context.Context, user, what string, most time.Duration, work func(context.Context, *Job[R]) (R, error)) (*Job[R], error) {
	ctx, late := context.WithTimeout(context.WithoutCancel(ctx), most)
	ctx, cancel := context.WithCancelCause(ctx)
	j := &Job[R]{User: user, What: what, Started: r.now(), cancel: cancel, done: make(chan struct{})}
	if err := r.admit(j); err != nil {
		cancel(nil)
		late()
		return nil, err
	}
	go func() { // ends with the work, which ends with its context; Stop awaits it
		defer r.wait.Done()
		defer late()
		defer cancel(nil)
		result, err := work(ctx, j)
		j.mu.Lock()
		j.result, j.err, j.ended = result, err, r.now()
		id := j.id
		j.mu.Unlock()
		r.mu.Lock()
		delete(r.running, j)
		r.mu.Unlock()
		close(j.done)
		if id != "" {
			r.ended(user, id)
		}
	}()
	return j, nil
}

func (r *Registry[R]) admit(j *Job[R]) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	mine := 0
	for other := range r.running {
		if other.User == j.User {
			mine++
		}
	}
	switch {
	case r.stopped:
		return fault.New(fault.Unavailable, "The server is being stopped. Call again when it is back.")
	case mine >= r.limits.Running:
		return fault.New(fault.Limited, "You have %d long calls running, which is the most. Wait for one to end, or cancel one with job_cancel.", mine)
	}
	r.running[j] = true
	r.wait.Add(1)
	return nil
}

// Keep gives a job an id, by which its user finds it from now on.
func (r *Registry[R]) Keep(j *Job[R]) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.id = strings.ToLower(rand.Text())
	r.kept = append(r.kept, j)
	return j.id
}

// forget drops what ended long ago, then the oldest ended ones of a user beyond
// the limit. The lock is held.
func (r *Registry[R]) forget() {
	now, count := r.now(), map[string]int{}
	for _, j := range r.kept {
		count[j.User]++
	}
	r.kept = slices.DeleteFunc(r.kept, func(j *Job[R]) bool {
		ended := j.endedAt()
		drop := !ended.IsZero() && (now.Sub(ended) > r.limits.Keep || count[j.User] > r.limits.Kept)
		if drop {
			count[j.User]--
		}
		return drop
	})
}

// Find gives a user's kept job. The error says that there is none.
func (r *Registry[R]) Find(user, id string) (*Job[R], error) {
	for _, j := range r.Of(user) {
		if j.ID() == id {
			return j, nil
		}
	}
	return nil, fault.New(fault.NotFound, "You have no job %q. Jobs are forgotten an hour after their end, and when the program restarts; make the call again.", id)
}

// Of lists a user's kept jobs, oldest first.
func (r *Registry[R]) Of(user string) (mine []*Job[R]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	for _, j := range r.kept {
		if j.User == user {
			mine = append(mine, j)
		}
	}
	return mine
}

// Stop cancels all jobs and waits for them as long as ctx allows.
func (r *Registry[R]) Stop(ctx context.Context) error {
	r.mu.Lock()
	r.stopped = true
	for j := range r.running {
		j.cancel(nil)
	}
	none := len(r.running) == 0
	r.mu.Unlock()
	if none { // however little time there is
		r.wait.Wait()
		return nil
	}
	over := make(chan struct{})
	go func() { // ends when the last job does, however long that takes
		r.wait.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ID is "" for a job that is not kept.
func (j *Job[R]) ID() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.id
}

// Note records progress and gives the job's id.
func (j *Job[R]) Note(p Progress) (id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress = p
	return j.id
}

// Wait waits for the end of the work, at most so long, and tells whether it has come.
// Its error is that of ctx.
func (j *Job[R]) Wait(ctx context.Context, most time.Duration) (ended bool, err error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-j.done:
		return true, nil
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Result is what the work brought; only after its end.
func (j *Job[R]) Result() (R, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.result, j.err
}

// ErrUnwanted is the cause with which the context of work ends that its user does not
// want any more.
var ErrUnwanted = errors.New("the user cancelled the job")

// Cancel ends the work, with a cause for its context; nil is none in particular. It
// does not wait for the end.
func (j *Job[R]) Cancel(cause error) {
	j.mu.Lock()
	if j.ended.IsZero() {
		j.stopped = true
	}
	j.mu.Unlock()
	j.cancel(cause)
}

func (j *Job[R]) endedAt() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended
}
