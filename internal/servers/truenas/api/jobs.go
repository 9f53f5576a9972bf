package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/pattern"
	"drawbridge/internal/servers/truenas/rpc"
)

// States of a job.
const (
	JobWaiting = "WAITING"
	JobRunning = "RUNNING"
	JobSuccess = "SUCCESS"
	JobFailed  = "FAILED"
	JobAborted = "ABORTED"
)

// Job is one job of the middleware. Error and what Progress says come from outside.
type Job struct {
	ID          int64             `json:"id"`
	Method      string            `json:"method"`
	Arguments   []json.RawMessage `json:"arguments"`
	Description string            `json:"description"`
	Abortable   bool              `json:"abortable"`
	Progress    struct {
		Percent     *float64 `json:"percent"`
		Description string   `json:"description"`
	} `json:"progress"`
	Result   json.RawMessage `json:"result"`
	Error    string          `json:"error"`
	State    string          `json:"state"`
	Started  Time            `json:"time_started"`
	Finished Time            `json:"time_finished"`
}

// Over tells whether the job has ended.
func (j Job) Over() bool {
	return j.State == JobSuccess || j.State == JobFailed || j.State == JobAborted
}

// Percent is how far it is.
func (j Job) Percent() float64 {
	if j.Progress.Percent == nil {
		return 0
	}
	return *j.Progress.Percent
}

// targetRule is what the first argument of a job can be that names what it works on.
var targetRule = pattern.New(`^[A-Za-z0-9_@.:/ -]{1,120}$`)

// named are the namespaces whose jobs name what they work on first. The arguments of
// others may hold secrets.
var named = pattern.New(`^(app|pool|pool\.dataset|pool\.scrub|vm|virt\.instance|container|service|replication|cloudsync|rsynctask|cronjob)\.[a-z_]+$`)

// Target is what the job works on, where it says so in a harmless way.
func (j Job) Target() string {
	if len(j.Arguments) == 0 || !named().MatchString(j.Method) {
		return ""
	}
	var number int64
	if json.Unmarshal(j.Arguments[0], &number) == nil {
		return fmt.Sprint(number)
	}
	var text string
	if json.Unmarshal(j.Arguments[0], &text) == nil && targetRule().MatchString(text) {
		return text
	}
	return ""
}

var jobFields = []string{"id", "method", "arguments", "description", "abortable", "progress", "result", "error", "state", "time_started", "time_finished"}

// Jobs lists jobs, newest first.
func (s Session) Jobs(ctx context.Context, filters []any, limit int) ([]Job, error) {
	return query[Job](ctx, s, "core.get_jobs", Query{Filters: filters, Select: jobFields, Order: []string{"-id"}, Limit: limit})
}

// Job reads one job.
func (s Session) Job(ctx context.Context, id int64) (Job, error) {
	jobs, err := s.Jobs(ctx, []any{Is("id", id)}, 1)
	if err == nil && len(jobs) == 0 {
		err = fault.New(fault.NotFound, "TrueNAS has no job %d, or hides it from this key. It forgets its jobs when it restarts; get_job without an id lists those there are.", id)
	}
	if err != nil {
		return Job{}, err
	}
	return jobs[0], nil
}

// AbortJob asks a job to end.
func (s Session) AbortJob(ctx context.Context, id int64) error {
	return s.do(ctx, Deed{Method: "core.job_abort", Params: []any{id}, What: fmt.Sprintf("the end of job %d", id), Look: fmt.Sprintf(`get_job {"id":%d}`, id)}, nil)
}

// pollTime is how often a job is asked about beside its events, which may be lost.
const pollTime = 5 * time.Second

const jobEvents = "core.get_jobs"

// Run calls a method that begins a job, and follows the job to its end. progress hears
// of each step. The job goes on in TrueNAS whatever happens to ctx.
//
// Methods that answer at once in some releases can be called with Run, too: the Job that
// comes back then has a result and no id.
func (s Session) Run(ctx context.Context, d Deed, progress func(Job)) (Job, error) {
	// First, so that no event is missed. It may fail: then there is only asking.
	var events <-chan rpc.Event
	if heard, err := s.line.Subscribe(ctx, jobEvents); err == nil {
		defer heard.Close(ctx)
		events = heard.Events
	}
	var result json.RawMessage
	if err := s.do(ctx, d, &result); err != nil {
		return Job{}, err
	}
	var id int64
	if json.Unmarshal(result, &id) != nil || id < 1 {
		return Job{Result: result, State: JobSuccess}, nil
	}
	return s.follow(ctx, d, id, events, progress)
}

// follow waits for the end of a job that has begun.
func (s Session) follow(ctx context.Context, d Deed, id int64, events <-chan rpc.Event, progress func(Job)) (Job, error) {
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	j, err := s.ask(ctx, d, id)
	for {
		if err != nil {
			return Job{ID: id}, err
		}
		if progress != nil {
			progress(j)
		}
		if j.Over() {
			return j, j.outcome()
		}
		if j, err = s.next(ctx, d, j, events, poll.C); errors.Is(err, errDeaf) {
			events, err = nil, nil
		}
	}
}

// errDeaf says that there will be no more events.
var errDeaf = errors.New("no more events")

// next is the next thing that becomes known of a job.
func (s Session) next(ctx context.Context, d Deed, j Job, events <-chan rpc.Event, poll <-chan time.Time) (Job, error) {
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return j, errDeaf
			}
			var said Job
			if json.Unmarshal(e.Fields, &said) != nil || said.ID != j.ID || said.State == "" {
				continue
			}
			return said, nil
		case <-poll:
			return s.ask(ctx, d, j.ID)
		case <-s.line.Done():
			return j, d.lostJob(j.ID, rpc.ErrLost)
		case <-ctx.Done():
			return j, stillRuns(ctx, j)
		}
	}
}

// ask reads a job that has begun.
func (s Session) ask(ctx context.Context, d Deed, id int64) (Job, error) {
	j, err := s.Job(ctx, id)
	switch {
	case err == nil:
		return j, nil
	case s.line.Alive() && ctx.Err() != nil:
		return j, stillRuns(ctx, Job{ID: id, Method: d.Method})
	}
	return j, d.lostJob(id, err)
}

// lostJob is the error of a job whose end nobody saw.
func (d Deed) lostJob(id int64, err error) error {
	return fault.Wrap(err, fault.Upstream, "Undetermined: TrueNAS closed the connection, or lost sight of its job %d (%s), before the end of %s; it may have gone on, or ended with a restart of TrueNAS. Do not repeat it before you know. "+
		`Find out with get_job {"id":%d} (if it is not there, or of another method, TrueNAS has restarted) and %s.`, id, d.Method, d.What, id, d.Look)
}

// stillRuns is the error of a watcher whose time is over.
func stillRuns(ctx context.Context, j Job) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	return fault.Wrap(ctx.Err(), fault.Timeout, `The job %d of TrueNAS (%s) still runs, and is not watched any more. get_job {"id":%d} shows it, abort_job ends it.`, j.ID, j.Method, j.ID)
}

// outcome is the error of a job that did not succeed. What it said is for get_job, which
// marks it as coming from outside.
func (j Job) outcome() error {
	switch j.State {
	case JobFailed:
		text, code := "", fault.Upstream
		said := strings.ToLower(j.Error)
		for _, k := range known {
			if strings.Contains(said, k.word) {
				text, code = " "+k.text, k.code
				break
			}
		}
		return fault.Wrap(errors.New(firstLine(j.Error)), code, `The job %d of TrueNAS (%s) failed.%s get_job {"id":%d} has what it said.`, j.ID, j.Method, text, j.ID)
	case JobAborted:
		return fault.New(fault.Conflict, `The job %d of TrueNAS (%s) was aborted by somebody. What it had done stays done; get_job {"id":%d} shows how far it was.`, j.ID, j.Method, j.ID)
	}
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
