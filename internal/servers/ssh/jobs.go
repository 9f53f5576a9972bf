package ssh

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/jobs"
	"drawbridge/internal/servers/ssh/output"
	"drawbridge/internal/servers/ssh/remote"
)

const jobTemplate = "ssh://{host}/job/{id}"

type startJobIn struct {
	hostIn
	Command string `json:"command" jsonschema:"For the host's sh; its input is empty." min:"1" max:"65536"`
	Cwd     string `json:"cwd,omitempty" jsonschema:"Absolute folder to run in."`
	ID      string `json:"id,omitempty" jsonschema:"Your own id; a second start with it is refused." pattern:"^[a-z0-9-]{1,40}$"`
}

type startJobOut struct {
	ID       string `json:"id"`
	Host     string `json:"host"`
	Resource string `json:"resource"`
}

func (in startJobIn) how() how { return how{Cwd: in.Cwd} }

func (s *server) previewJob(_ context.Context, c *kit.Call, in startJobIn) (kit.Preview, error) {
	if err := in.how().check(); err != nil {
		return kit.Preview{}, err
	}
	p, err := s.plan(c, []string{in.Host}, in.Command, access.Run, 0, nil)
	return p.preview(in.Command, "as a job that goes on by itself"), err
}

func (s *server) startJob(ctx context.Context, c *kit.Call, in startJobIn) (out startJobOut, err error) {
	if err := in.how().check(); err != nil {
		return out, err
	}
	p, err := s.plan(c, []string{in.Host}, in.Command, access.Run, 0, nil)
	if err != nil {
		return out, err
	}
	if p.confirm {
		if err := approve(c, p.preview(in.Command, "as a job that goes on by itself")); err != nil {
			return out, err
		}
	}
	if len(p.names) != 1 {
		return out, fault.New(fault.Invalid, "A job runs on one host. Name it, not a group.")
	}
	h, err := s.door.Connect(ctx, c, in.Host, access.Run)
	if err != nil {
		return out, err
	}
	onHost := strings.ToLower(rand.Text()[:16])
	j := jobs.Job{ID: cmp.Or(in.ID, onHost), Host: in.Host, Command: in.Command, Started: s.deps.Now()}
	if err := s.jobs.Reserve(ctx, c.User(), j); err != nil {
		return out, err
	}
	place, err := h.StartJob(ctx, onHost, in.Command, in.Cwd)
	// What became of it is noted also when the caller has gone meanwhile.
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err != nil {
		// Only what surely does not run is forgotten.
		if code := fault.CodeOf(err); code == fault.Unavailable || code == fault.Forbidden || code == fault.Invalid {
			return out, errors.Join(err, s.jobs.Drop(noting, c.User(), j.ID))
		}
		return out, err
	}
	if err := s.jobs.Place(noting, c.User(), j.ID, place); err != nil {
		return out, err
	}
	c.ResourcesChanged()
	return startJobOut{j.ID, in.Host, kit.Expand(jobTemplate, in.Host, j.ID)}, nil
}

type getJobIn struct {
	ID     string `json:"id,omitempty" jsonschema:"From start_job." max:"40"`
	Stream string `json:"stream,omitempty" jsonschema:"Which output." enum:"stdout,stderr" default:"stdout"`
	Offset int64  `json:"offset,omitempty" jsonschema:"Byte to read from; negative from the end."`
	Most   int    `json:"max_bytes,omitempty" jsonschema:"Most bytes." min:"1" max:"200000" default:"12000"`
}

type getJobOut struct {
	Jobs       []jobOut      `json:"jobs"`
	Output     kit.Untrusted `json:"output,omitempty"`
	NextOffset int64         `json:"next_offset,omitempty"`
}

type jobOut struct {
	ID       string        `json:"id"`
	Host     string        `json:"host"`
	Command  kit.Untrusted `json:"command"`
	Started  string        `json:"started_at"`
	State    string        `json:"state,omitempty" jsonschema:"running, exited, or lost (stopped)."`
	ExitCode *int          `json:"exit_code,omitempty"`
	Stdout   int64         `json:"stdout_bytes,omitempty"`
	Stderr   int64         `json:"stderr_bytes,omitempty"`
}

func jobShown(j jobs.Job) jobOut {
	return jobOut{ID: j.ID, Host: j.Host, Command: kit.Untrusted(clip(j.Command, 300)), Started: j.Started.Format(time.RFC3339)}
}

func (s *server) getJob(ctx context.Context, c *kit.Call, in getJobIn) (out getJobOut, err error) {
	if in.ID == "" {
		all, err := s.jobs.List(ctx, c.User())
		for _, j := range all {
			out.Jobs = append(out.Jobs, jobShown(j))
		}
		return out, err
	}
	j, h, err := s.jobHost(ctx, c, in.ID, access.Read)
	if err != nil {
		return out, err
	}
	state, err := h.Job(ctx, j.Place)
	if err != nil {
		return out, err
	}
	shown := jobShown(j)
	shown.State, shown.Stdout, shown.Stderr = state.State, state.Out, state.Err
	if state.State == remote.JobExited {
		shown.ExitCode = &state.ExitCode
	}
	out.Jobs = []jobOut{shown}
	name, size := "/out", state.Out
	if in.Stream == "stderr" {
		name, size = "/err", state.Err
	}
	if size == 0 {
		return out, nil
	}
	part, err := h.Read(ctx, remote.Reading{Path: j.Place.Dir + name, Offset: in.Offset, Size: in.Most})
	if err != nil {
		return out, err
	}
	text, _ := output.Plain(part.Data)
	out.Output, out.NextOffset = kit.Untrusted(text), part.Offset+int64(len(part.Data))
	return out, nil
}

// jobHost finds a job and connects to its host.
func (s *server) jobHost(ctx context.Context, c *kit.Call, id string, want access.Right) (jobs.Job, access.Reached, error) {
	j, err := s.jobs.Find(ctx, c.User(), id)
	if err != nil {
		return j, access.Reached{}, err
	}
	if j.Place.PID == 0 {
		return j, access.Reached{}, fault.New(fault.Unavailable, "The gateway or its connection broke while the job %s began, so it is not known whether it runs. Look at the processes of %s.", j.ID, j.Host)
	}
	h, err := s.door.Connect(ctx, c, j.Host, want)
	return j, h, err
}

type stopJobIn struct {
	ID string `json:"id" jsonschema:"From start_job." min:"1" max:"40"`
}

type stopJobOut struct {
	ID       string `json:"id"`
	WasEnded bool   `json:"had_ended" jsonschema:"It had ended before."`
}

func (s *server) stopJob(ctx context.Context, c *kit.Call, in stopJobIn) (stopJobOut, error) {
	j, err := s.jobs.Find(ctx, c.User(), in.ID)
	if err != nil {
		return stopJobOut{}, err
	}
	_, g, err := s.door.Find(c, j.Host, access.Run)
	if err != nil {
		return stopJobOut{}, err
	}
	if confirms(g, true) {
		if err := c.Approve(kit.Question{Target: j.Host, Effect: "Ends this job with all its processes:\n" + j.Command}); err != nil {
			return stopJobOut{}, err
		}
	}
	j, h, err := s.jobHost(ctx, c, in.ID, access.Run)
	if err != nil {
		return stopJobOut{}, err
	}
	over, err := h.StopJob(ctx, j.Place)
	if err == nil {
		c.Updated(kit.Expand(jobTemplate, j.Host, j.ID))
	}
	return stopJobOut{j.ID, over}, err
}
