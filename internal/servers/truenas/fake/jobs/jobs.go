// Package jobs runs long calls as TrueNAS does: an id at once, then states and progress as
// events of core.get_jobs (ref 2.2 "Jobs"; truenas/middleware job.py,
// api/v26_0_0/core.py CoreGetJobsItem). Only the fake uses it.
package jobs

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/servers/kittest/upstreamtest"
	"drawbridge/internal/servers/truenas/fake/fail"
)

// States.
const (
	Waiting = "WAITING"
	Running = "RUNNING"
	Success = "SUCCESS"
	Failed  = "FAILED"
	Aborted = "ABORTED"
)

// Work is what a job does.
type Work struct {
	Description string
	Lock        string              // one job at a time has it; "" for none
	Steps       []string            // what progress says, one after the other
	Abortable   bool                // watches for an abort while it runs
	Logs        []string            // lines it leaves behind
	Begin       func()              // when it starts to run
	Do          func() (any, error) // at its end
	Undo        func()              // when it is aborted, or fails by plan
	Open        bool                // ends only by Finish
}

// Owner is who started a job.
type Owner struct {
	User  string
	Kind  string         // of credential, API_KEY ...
	Data  map[string]any // what credentials.data says
	Admin bool
}

// Job is one of them. The engine's lock guards it.
type Job struct {
	ID         int
	Method     string
	Args       []any
	MessageIDs []any
	Owner      Owner
	State      string
	Percent    int
	Step       string
	Result     any
	Fault      *fail.Fault
	Started    time.Time
	Finished   time.Time
	Work       *Work

	engine  *Engine
	plan    error // by which it fails
	took    time.Duration
	stop    func()
	holding bool
	ended   []func()
}

// Engine has all jobs. Its methods are called with its lock held; its own timers take it.
type Engine struct {
	lock  sync.Locker
	clock *upstreamtest.Clock
	send  func(kind string, j *Job) // an event: added, changed

	jobs []*Job
	last int
	held map[string]*Job
}

// New makes an engine. send is called with the lock held.
func New(lock sync.Locker, c *upstreamtest.Clock, send func(kind string, j *Job)) *Engine {
	return &Engine{lock: lock, clock: c, send: send, held: map[string]*Job{}}
}

// Add makes a job of work; Start runs it. took is how long it runs, plan what it fails by,
// or nil.
func (e *Engine) Add(method string, args []any, message any, owner Owner, w *Work, took time.Duration, plan error) *Job {
	e.last++
	j := &Job{ID: e.last, Method: method, Args: args, MessageIDs: []any{}, Owner: owner, State: Waiting, Started: e.clock.Now(), Work: w, engine: e, took: took, plan: plan}
	if message != nil {
		j.MessageIDs = []any{message}
	}
	e.jobs = append(e.jobs, j)
	if len(e.jobs) > 1000 { // JobsDeque.maxlen
		e.jobs = slices.Delete(e.jobs, 0, 1)
	}
	e.send("added", j)
	return j
}

// Start runs a job, now or as soon as its lock is free.
func (j *Job) Start() {
	e := j.engine
	if j.State != Waiting || j.Work.Lock != "" && e.held[j.Work.Lock] != nil {
		return
	}
	if j.Work.Lock != "" {
		e.held[j.Work.Lock], j.holding = j, true
	}
	j.State = Running
	if j.Work.Begin != nil {
		j.Work.Begin()
	}
	e.send("changed", j)
	j.tick(0)
}

// ticks is how many times a job that takes its time reports.
const ticks = 10

// tick reports the n-th part done, and waits for the next one.
func (j *Job) tick(n int) {
	if j.Work.Open || j.State != Running {
		return
	}
	if j.took <= 0 {
		for i, s := range j.Work.Steps {
			j.Progress(100*i/len(j.Work.Steps), s)
		}
		j.end()
		return
	}
	if n > 0 {
		step := ""
		if k := len(j.Work.Steps); k > 0 {
			step = j.Work.Steps[min(n*k/ticks, k-1)]
		}
		j.Progress(100*n/ticks, step)
	}
	if n == ticks {
		j.end()
		return
	}
	j.stop = j.engine.clock.After(j.took/ticks, func() {
		j.engine.lock.Lock()
		defer j.engine.lock.Unlock()
		j.tick(n + 1)
	})
}

// Progress changes what a running job says about itself; an event goes out if it differs.
func (j *Job) Progress(percent int, step string) {
	if j.Percent == percent && (step == "" || step == j.Step) {
		return
	}
	j.Percent = percent
	if step != "" {
		j.Step = step
	}
	j.engine.send("changed", j)
}

func (j *Job) end() {
	err := j.plan
	if err == nil {
		j.Result, err = j.Work.Do()
	} else if j.Work.Undo != nil {
		j.Work.Undo()
	}
	j.Finish(j.Result, err)
}

// Finish ends a running job.
func (j *Job) Finish(result any, err error) {
	if j.State != Running {
		return
	}
	if err != nil {
		j.Fault = fail.Of(err)
		j.settle(Failed)
		return
	}
	j.Result = result
	if j.Percent != 100 {
		j.Progress(100, "")
	}
	j.settle(Success)
}

// settle is the end of a job in any state.
func (j *Job) settle(state string) {
	j.State, j.Finished = state, j.engine.clock.Now()
	j.engine.send("changed", j)
	j.release()
	for _, f := range j.ended {
		f()
	}
	j.ended = nil
}

func (j *Job) release() {
	e := j.engine
	if !j.holding {
		return
	}
	j.holding = false
	delete(e.held, j.Work.Lock)
	for _, next := range e.jobs {
		if next.State == Waiting && next.Work.Lock == j.Work.Lock {
			next.Start()
			return
		}
	}
}

// Over is whether a job has ended.
func (j *Job) Over() bool { return j.State != Waiting && j.State != Running }

// Then calls f when the job has ended: at once if it has.
func (j *Job) Then(f func()) {
	if j.Over() {
		f()
		return
	}
	j.ended = append(j.ended, f)
}

// Abort ends a job that waits, or runs and looks. Any other runs on, without a word.
func (j *Job) Abort() {
	if j.Over() || j.State == Running && !j.Work.Abortable {
		return
	}
	if j.stop != nil {
		j.stop()
	}
	if j.Work.Undo != nil && j.State == Running {
		j.Work.Undo()
	}
	j.settle(Aborted)
}

// Get finds a job.
func (e *Engine) Get(id int) *Job {
	for _, j := range e.jobs {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// All jobs, oldest first.
func (e *Engine) All() []*Job { return slices.Clone(e.jobs) }

// Lose forgets all jobs, as a restart does: ids begin again at 1. What was waiting or
// running is done to its end first if done is set, else undone.
func (e *Engine) Lose(done bool) {
	for _, j := range e.jobs {
		if j.stop != nil {
			j.stop()
		}
		state := j.State
		if !j.Over() {
			j.State = Aborted // it is never heard of again
		}
		switch {
		case j.State != Aborted || state == Aborted:
		case done && j.plan == nil && !j.Work.Open:
			if state == Waiting && j.Work.Begin != nil {
				j.Work.Begin()
			}
			_, _ = j.Work.Do() // its result is lost by intention
		case state == Running && j.Work.Undo != nil:
			j.Work.Undo()
		}
	}
	e.jobs, e.last, e.held = nil, 0, map[string]*Job{}
}

// Stop ends all timers.
func (e *Engine) Stop() {
	for _, j := range e.jobs {
		if j.stop != nil {
			j.stop()
		}
	}
}

// Row is a job as core.get_jobs shows it.
func (j *Job) Row() map[string]any {
	row := map[string]any{
		"id": j.ID, "message_ids": j.MessageIDs, "method": j.Method, "arguments": j.Args, "transient": false,
		"description": orNil(j.Work.Description), "abortable": j.Work.Abortable, "logs_path": nil, "logs_excerpt": nil,
		"progress": map[string]any{"percent": j.Percent, "description": j.Step, "extra": nil},
		"result":   nil, "result_encoding_error": nil, "error": nil, "exception": nil, "exc_info": nil,
		"state": j.State, "time_started": Date(j.Started), "time_finished": nil,
		"credentials": map[string]any{"type": j.Owner.Kind, "data": j.Owner.Data},
	}
	if j.State == Success {
		row["result"] = j.Result
	}
	if len(j.Work.Logs) > 0 {
		row["logs_path"] = fmt.Sprintf("/var/log/jobs/%d.log", j.ID)
	}
	if !j.Over() {
		return row
	}
	row["time_finished"] = Date(j.Finished)
	if len(j.Work.Logs) > 0 {
		row["logs_excerpt"] = excerpt(j.Work.Logs)
	}
	if f := j.Fault; f != nil {
		kind, errno := f.Class, any(f.Errno)
		if f.Problems != nil {
			kind, errno = "VALIDATION", nil
		}
		row["error"], row["exception"] = f.Reason, f.Formatted()
		row["exc_info"] = map[string]any{"repr": fmt.Sprintf("%s(%q)", f.Class, f.Reason), "type": kind, "errno": errno, "extra": f.Extra()}
	}
	return row
}

// excerpt is the first and last ten lines.
func excerpt(lines []string) string {
	if len(lines) <= 20 {
		return strings.Join(lines, "\n") + "\n"
	}
	return strings.Join(lines[:10], "\n") + fmt.Sprintf("\n... %d more lines ...\n", len(lines)-20) + strings.Join(lines[len(lines)-10:], "\n") + "\n"
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Date is a time as the wire has it (ref 2.2 "Dates").
func Date(t time.Time) map[string]any { return map[string]any{"$date": t.UnixMilli()} }
