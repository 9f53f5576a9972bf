package jobs

import (
	"fmt"
	"strings"
	"time"
)

// Report is a job as its user sees it.
type Report struct {
	ID      string     `json:"id"`
	Tool    string     `json:"tool"`
	State   State      `json:"state"`
	Done    float64    `json:"done,omitempty"`
	Total   float64    `json:"total,omitempty"`
	Message string     `json:"message,omitempty"`
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	Error   string     `json:"error,omitempty"`
}

// Report tells how far the job is; Ended is nil while it runs.
func (j *Job[R]) Report() Report {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := Report{ID: j.id, Tool: j.What, State: Running, Done: j.progress.Done, Total: j.progress.Total, Message: j.progress.Message, Started: j.Started}
	if j.ended.IsZero() {
		return r
	}
	ended := j.ended
	r.Ended = &ended
	switch {
	case j.err == nil:
		r.State = Done
	case j.stopped:
		r.State = Cancelled
	default:
		r.State = Failed
	}
	return r
}

// Text is a line about the job, the error if there is one, and what the call said.
func (r Report) Text(said string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (job %s) is %s", r.Tool, r.ID, r.State)
	if r.Total > 0 {
		fmt.Fprintf(&b, ", %g of %g", r.Done, r.Total)
	}
	if r.Message != "" {
		b.WriteString(": " + r.Message)
	}
	for _, more := range []string{r.Error, said} {
		if more != "" {
			b.WriteString("\n" + more)
		}
	}
	return b.String()
}
