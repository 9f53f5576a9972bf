package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Run is one run of a workflow.
type Run struct {
	ID, Number                     int64
	Workflow, Title, Event, Branch string
	SHA, Status, Actor, URL        string
	Started, Stopped               time.Time
}

// Job is one job of a run. ID is 0 where the installation has none to read a log by.
type Job struct {
	ID           int64
	Name, Status string
	Steps        []Step // where the installation tells them
}

// Step is one step of a job.
type Step struct{ Name, Status string }

// RunSearch says which runs are listed. Status is success, failure, cancelled,
// skipped, running or waiting.
type RunSearch struct{ Event, Status, SHA string }

// actions is what the systems do differently.
type actions interface {
	runs(ctx context.Context, r Repo, w Window, f RunSearch) ([]Run, int, error)
	run(ctx context.Context, r Repo, id int64) (Run, error)
	jobs(ctx context.Context, r Repo, run Run) ([]Job, error)
	// logs refuses where the version has no API for them.
	logs() error
	// dispatched is the query with which starting a workflow tells the run.
	dispatched() (url.Values, map[string]any)
}

// actions chooses the adapter by the version.
func (s Session) actions(ctx context.Context) (actions, error) {
	a, err := s.About(ctx)
	if err != nil {
		return nil, err
	}
	if a.Flavour == Gitea {
		return giteaActions{a}, nil
	}
	return forgejoActions{a}, nil
}

// Runs lists runs, newest first.
func (r Repo) Runs(ctx context.Context, w Window, f RunSearch) ([]Run, int, error) {
	a, err := r.actions(ctx)
	if err != nil {
		return nil, 0, err
	}
	return a.runs(ctx, r, w, f)
}

// Run reads one run with its jobs.
func (r Repo) Run(ctx context.Context, id int64) (Run, []Job, error) {
	a, err := r.actions(ctx)
	if err != nil {
		return Run{}, nil, err
	}
	run, err := a.run(ctx, r, id)
	if err != nil {
		return run, nil, err
	}
	jobs, err := a.jobs(ctx, r, run)
	return run, jobs, err
}

func (r Repo) run(id int64) string { return "run " + digits(id) + " of " + r.String() }

// Dispatch starts a workflow by hand. The run is 0 where the installation does not
// tell it.
func (r Repo) Dispatch(ctx context.Context, workflow, ref string, inputs map[string]string) (run int64, err error) {
	a, err := r.actions(ctx)
	if err != nil {
		return 0, err
	}
	query, body := a.dispatched()
	body["ref"] = ref
	if len(inputs) > 0 {
		body["inputs"] = inputs
	}
	req := request(http.MethodPost, r.path("actions", "workflows", workflow, "dispatches"), body, "the workflow "+workflow+" of "+r.String())
	req.Query = query
	answer, err := r.call(ctx, req)
	if err != nil || len(answer.Body) == 0 {
		return 0, err
	}
	var out struct {
		ID    int64 `json:"id"`              // Forgejo
		RunID int64 `json:"workflow_run_id"` // Gitea
	}
	if err := decode(answer.Body, &out); err != nil {
		return 0, nil // it was started; which run it is can be listed
	}
	return max(out.ID, out.RunID), nil
}

// Log is a part of a log.
type Log struct {
	Text   []byte
	Offset int64 // of Text in the log
	Size   int64 // of the whole log
}

// JobLog reads most bytes of a log from an offset on; from the end where it is
// negative, so that -1000 is the last 1000 bytes.
func (r Repo) JobLog(ctx context.Context, job, from, most int64) (Log, error) {
	a, err := r.actions(ctx)
	if err != nil {
		return Log{}, err
	}
	if err := a.logs(); err != nil {
		return Log{}, err
	}
	if from < 0 { // not all versions take a range from the end, so the size comes first
		first, err := r.logRange(ctx, job, 0, 1)
		if err != nil || first.Size <= int64(len(first.Text)) {
			return first.last(-from), err
		}
		from = max(0, first.Size+from)
	}
	return r.logRange(ctx, job, from, most)
}

// last keeps the last n bytes.
func (l Log) last(n int64) Log {
	if skip := int64(len(l.Text)) - n; skip > 0 {
		return Log{l.Text[skip:], l.Offset + skip, l.Size}
	}
	return l
}

// rangeRule is Content-Range of RFC 9110, 14.4.
var rangeRule = pattern.New(`^bytes (\d{1,15})-\d{1,15}/(\d{1,15})$`)

func (r Repo) logRange(ctx context.Context, job, from, most int64) (Log, error) {
	answer, err := r.call(ctx, kit.Request{Path: r.path("actions", "jobs", digits(job), "logs"), What: "a log of job " + digits(job) + " in " + r.String(),
		Header: http.Header{"Range": {"bytes=" + digits(from) + "-" + digits(from+most-1)}}})
	if err != nil {
		return Log{}, err
	}
	size := int64(len(answer.Body))
	if m := rangeRule().FindStringSubmatch(answer.Header.Get("Content-Range")); answer.Status == http.StatusPartialContent && m != nil {
		l := Log{Text: answer.Body}
		l.Offset, _ = strconv.ParseInt(m[1], 10, 64) // digits by the rule
		l.Size, _ = strconv.ParseInt(m[2], 10, 64)
		return l, nil
	}
	start := min(from, size) // the whole log came, without a range
	if most > 1 {
		size = min(start+most, size)
	}
	return Log{answer.Body[start:size], start, int64(len(answer.Body))}, nil
}

func noLogs(a About) error {
	return fault.New(fault.Unavailable, "%s %s has no API for logs of jobs; Forgejo has it since 16. Open the run in the browser (url of get_run), or let the operator update.", a.Flavour, a.Version)
}
