package system

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

// GetJobIn is the input of get_job.
type GetJobIn struct {
	ID    int64  `json:"id,omitempty" jsonschema:"Job."`
	State string `json:"state,omitempty" jsonschema:"Only these." enum:"WAITING,RUNNING,SUCCESS,FAILED,ABORTED"`
	Limit int    `json:"limit,omitempty" jsonschema:"10 without it." min:"1" max:"50"`
}

// GetJobOut is its output.
type GetJobOut struct {
	Jobs []jobRow `json:"jobs"`
}

type jobRow struct {
	ID        int64         `json:"id"`
	Method    string        `json:"method"`
	Target    string        `json:"target,omitempty"`
	State     string        `json:"state"`
	Percent   *float64      `json:"percent,omitempty"`
	Doing     kit.Untrusted `json:"doing,omitempty"`
	Error     kit.Untrusted `json:"error,omitempty"`
	Result    string        `json:"result,omitempty"`
	Started   string        `json:"started,omitempty"`
	Finished  string        `json:"finished,omitempty"`
	Abortable bool          `json:"abortable,omitempty"`
}

// GetJob is get_job.
func (t Tools) GetJob(ctx context.Context, c *kit.Call, in GetJobIn) (out GetJobOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	var jobs []api.Job
	switch {
	case in.ID > 0:
		one, oneErr := s.Job(ctx, in.ID)
		jobs, err = []api.Job{one}, oneErr
	default:
		var filters []any
		if in.State != "" {
			filters = append(filters, api.Is("state", in.State))
		}
		if in.Limit == 0 {
			in.Limit = 10
		}
		jobs, err = s.Jobs(ctx, filters, in.Limit)
	}
	if err != nil {
		return out, err
	}
	for _, j := range jobs {
		out.Jobs = append(out.Jobs, rowOf(j))
	}
	return out, nil
}

func rowOf(j api.Job) jobRow {
	row := jobRow{ID: j.ID, Method: show.Name(j.Method), Target: show.Name(j.Target()), State: j.State, Doing: show.Note(j.Progress.Description), Error: show.Note(j.Error),
		Started: kit.Time(j.Started.Time), Finished: kit.Time(j.Finished.Time)}
	if !j.Over() {
		row.Percent, row.Abortable = j.Progress.Percent, j.Abortable
	}
	// Larger results are the entry that was changed, or a secret; the lists show the former.
	var plain any
	if j.State == api.JobSuccess && json.Unmarshal(j.Result, &plain) == nil {
		switch v := plain.(type) {
		case bool, float64:
			row.Result = fmt.Sprint(v)
		}
	}
	return row
}

type abortIn struct {
	ID int64 `json:"id" jsonschema:"Of get_job." min:"1"`
}

type abortOut struct {
	State string `json:"state,omitempty"`
}

// abortable reads a job that can be ended.
func (t Tools) abortable(ctx context.Context, c *kit.Call, in abortIn) (s api.Session, j api.Job, err error) {
	if s, err = t.Session(ctx, c); err != nil {
		return s, j, err
	}
	j, err = s.Job(ctx, in.ID)
	switch {
	case err != nil:
	case j.Over():
		err = fault.New(fault.Conflict, "The job %d has ended already: %s. There is nothing to abort.", in.ID, strings.ToLower(j.State))
	case !j.Abortable:
		err = fault.New(fault.Conflict, "TrueNAS does not let the job %d (%s) be aborted. Wait for its end.", in.ID, j.Method)
	}
	return s, j, err
}

func (t Tools) previewAbort(ctx context.Context, c *kit.Call, in abortIn) (kit.Preview, error) {
	_, j, err := t.abortable(ctx, c, in)
	// The same number is another job's after a restart of TrueNAS.
	bound := desk.Bound([]string{j.String(), j.Target(), j.Started.UTC().String()})
	return kit.Preview{Target: fmt.Sprintf("%s %s", j, show.Name(j.Target())), Bound: bound, Effect: fmt.Sprintf("Ends the job at %.0f%%. What it has done stays done, and may be half of something.", j.Percent())}, err
}

func (t Tools) abortJob(ctx context.Context, c *kit.Call, in abortIn) (out abortOut, err error) {
	s, _, err := t.abortable(ctx, c, in)
	if err != nil {
		return out, err
	}
	if err := s.AbortJob(ctx, in.ID); err != nil {
		return out, err
	}
	if j, err := s.Job(ctx, in.ID); err == nil { // it is asked to end, whatever this says
		out.State = j.State
	}
	return out, nil
}
