package kit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/jobs"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/typed"
)

// defaultPatience is how long a request waits for a long tool: most clients give
// up after a minute.
const defaultPatience = 50 * time.Second

// Long says that a call may take up to most, beyond what clients wait for. The
// request stays open for Spec.Patience; after that the work goes on as a job, and
// the answer is its id, for job_status, job_cancel and the resource of the job.
// The handler is the same: its ctx ends when the job is cancelled, its time is
// over or the server is closed, and its progress goes to the client or the job.
func (t Tool) Long(most time.Duration) Tool { t.long, t.timeout = true, most; return t }

// ErrUnwanted is the context.Cause of a long tool whose user cancelled its job: what
// goes on elsewhere should be ended, too. It is not that of a server that closes.
var ErrUnwanted = jobs.ErrUnwanted

type job = jobs.Job[result]

// runLong runs a long tool and waits for it while the client does.
func (s *Server) runLong(ctx context.Context, c *Call, t *Tool, run func(context.Context) (result, error)) (result, error) {
	j, err := s.jobs.Start(ctx, c.user, t.Name, t.timeout, func(ctx context.Context, j *job) (result, error) {
		c.noteTo(j)
		var res result
		err := s.runner.Protect(ctx, func() (err error) { res, err = run(ctx); return err })
		if err != nil {
			err = t.tooSlow(ctx, err)
			if c.detached() { // nobody else will
				s.logFailure(ctx, t.Name, err)
			}
			return result{}, err
		}
		if c.outside {
			res.Meta = map[string]string{output.MetaUntrusted: "true"}
		}
		return res, nil
	})
	if err != nil {
		return result{}, err
	}
	switch ended, err := j.Wait(ctx, s.spec.Patience); {
	case err != nil: // nobody has the id, so nobody could ask for it any more
		j.Cancel(nil)
		c.detach()
		return result{}, err
	case ended:
		return j.Result()
	}
	id := s.jobs.Keep(j)
	c.detach()
	c.ResourcesChanged()
	return s.keptResult(t, id), nil
}

// keptResult tells the client that a call goes on without it.
func (s *Server) keptResult(t *Tool, id string) result {
	r := result{Text: fmt.Sprintf("%s is still running, as job %s. It goes on by itself: job_status waits for it and has its result, job_cancel ends it, %s is its resource.",
		t.Name, id, s.jobURI(id))}
	if t.ready.Output != nil {
		r.Structured = mustJSON(map[string]any{typed.Job: map[string]string{"id": id, "resource": s.jobURI(id)}})
	}
	return r
}

func (s *Server) jobTemplate() string     { return "job://" + s.spec.Name + "/{id}" }
func (s *Server) jobURI(id string) string { return Expand(s.jobTemplate(), id) }
func hasLong(tools []Tool, s *Server) bool {
	for _, t := range tools {
		if t.long && s.refuses(t) == nil {
			return true
		}
	}
	return false
}

// offerJobs adds the tools and the resource of jobs where a long tool is offered.
func (s *Server) offerJobs() {
	if !hasLong(s.spec.Tools, s) {
		return
	}
	s.spec.Tools = append(slices.Clip(s.spec.Tools),
		Read("job_status", "Job Status", "Read how far a job of a long call is, with its result once it is done.", s.jobStatus).Within(2*time.Minute),
		Write("job_cancel", "Cancel Job", "End a job of a long call. What it has done stays done.", s.jobCancel).Idempotent())
	s.spec.Templates = append(slices.Clip(s.spec.Templates), Template{
		URITemplate: s.jobTemplate(), Name: "job", Title: "Job", Description: "A long call that goes on in the background.", MIMEType: "application/json",
		Read: func(_ context.Context, c *Call, vars map[string]string) (Content, error) {
			j, err := s.jobs.Find(c.user, vars["id"])
			if err != nil {
				return Content{}, err
			}
			report := s.jobReport(c, j)
			return Content{Text: Compact(report), Untrusted: c.outside}, nil
		},
		List: func(_ context.Context, c *Call) (list []Listed, _ error) {
			for _, j := range s.jobs.Of(c.user) {
				list = append(list, Listed{URI: s.jobURI(j.ID()), Name: j.ID(), Title: j.What, MIMEType: "application/json"})
			}
			return list, nil
		},
	})
}

type jobIn struct {
	ID string `json:"id" jsonschema:"Of the job, from the answer of the long call." max:"40"`
}

type jobStatusIn struct {
	jobIn
	Wait int `json:"wait_seconds,omitempty" jsonschema:"Wait this long for its end." min:"0" max:"50"`
}

type jobOut struct {
	jobs.Report
	Result *output.Object `json:"result,omitempty"`

	text string // what the call would have said
}

// Text is a line about the job, then what the call said.
func (o jobOut) Text() string { return o.Report.Text(o.text) }

func (s *Server) jobStatus(ctx context.Context, c *Call, in jobStatusIn) (jobOut, error) {
	j, err := s.jobs.Find(c.user, in.ID)
	if err != nil {
		return jobOut{}, err
	}
	if _, err := j.Wait(ctx, time.Duration(in.Wait)*time.Second); err != nil {
		return jobOut{}, err
	}
	return s.jobReport(c, j), nil
}

func (s *Server) jobCancel(_ context.Context, c *Call, in jobIn) (jobOut, error) {
	j, err := s.jobs.Find(c.user, in.ID)
	if err != nil {
		return jobOut{}, err
	}
	j.Cancel(jobs.ErrUnwanted)
	return s.jobReport(c, j), nil
}

// jobReport is what the caller c is told of a job.
func (s *Server) jobReport(c *Call, j *job) jobOut {
	out := jobOut{Report: j.Report()}
	if out.Ended == nil {
		return out
	}
	res, err := j.Result()
	switch {
	case out.State == jobs.Cancelled:
		out.Error = "The job was cancelled. What it had done until then stays done."
	case err != nil:
		out.Error = fault.PublicOf(err)
	default:
		out.text, c.outside = res.Text, c.outside || res.Meta[output.MetaUntrusted] != ""
		if res.Structured != nil {
			out.Result = (*output.Object)(&res.Structured)
		}
	}
	return out
}
