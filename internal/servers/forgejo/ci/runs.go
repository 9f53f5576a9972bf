package ci

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type listRunsIn struct {
	access.RepoIn
	Status string `json:"status,omitempty" jsonschema:"How it is." enum:"success,failure,cancelled,skipped,running,waiting"`
	SHA    string `json:"head_sha,omitempty" jsonschema:"Of this commit."`
	kit.PageIn
}

type listRunsOut struct {
	Runs []runRow `json:"runs"`
	kit.PageOut
}

type runRow struct {
	ID       int64         `json:"id"`
	Workflow string        `json:"workflow"`
	Title    kit.Untrusted `json:"title"`
	Status   string        `json:"status"`
	Event    string        `json:"event"`
	Branch   string        `json:"branch"`
	SHA      string        `json:"sha"`
	Started  string        `json:"started,omitempty"`
}

func runRowOf(r api.Run) runRow {
	return runRow{r.ID, show.Ref(r.Workflow), show.Clip(r.Title, 200), r.Status, r.Event, show.Ref(r.Branch), show.Short(r.SHA), kit.Time(r.Started)}
}

func (t Tools) listRuns(ctx context.Context, c *kit.Call, in listRunsIn) (out listRunsOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	found, total, err := r.Runs(ctx, w, api.RunSearch{Status: in.Status, SHA: in.SHA})
	if err != nil {
		return out, err
	}
	all := make([]runRow, len(found))
	for i, run := range found {
		all[i] = runRowOf(run)
	}
	out.Runs, out.PageOut = kit.Fit(w, all, total)
	return out, nil
}

type getRunIn struct {
	access.RepoIn
	ID int64 `json:"id" jsonschema:"From list_workflow_runs."`
}

type getRunOut struct {
	runRow
	Jobs []jobRow `json:"jobs"`
	URL  string   `json:"url"`
}

type jobRow struct {
	ID     int64         `json:"id,omitempty" jsonschema:"For get_job_log."`
	Name   kit.Untrusted `json:"name"`
	Status string        `json:"status"`
	Failed kit.Untrusted `json:"failed_step,omitempty"`
}

func (t Tools) getRun(ctx context.Context, c *kit.Call, in getRunIn) (out getRunOut, err error) {
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	run, jobs, err := r.Run(ctx, in.ID)
	if err != nil {
		return out, err
	}
	out = getRunOut{runRow: runRowOf(run), URL: run.URL}
	for _, j := range jobs {
		out.Jobs = append(out.Jobs, jobRow{ID: j.ID, Name: show.Clip(j.Name, 200), Status: j.Status, Failed: show.Clip(failedStep(j), 200)})
	}
	out.Jobs = show.Within(out.Jobs, show.TextRoom)
	return out, nil
}

// failedStep names the step at which a job failed. Gitea 1.26 gives every step the
// state of the job, so that several failed ones tell nothing.
func failedStep(j api.Job) (name string) {
	if j.Status != "failure" {
		return ""
	}
	for _, step := range j.Steps {
		if step.Status != "failure" {
			continue
		}
		if name != "" {
			return ""
		}
		name = step.Name
	}
	return name
}

type jobLogIn struct {
	access.RepoIn
	Job    int64  `json:"job" jsonschema:"From get_run."`
	Tail   int    `json:"tail,omitempty" jsonschema:"Last lines; 150 without it."`
	Offset *int64 `json:"offset,omitempty" jsonschema:"Byte to read from instead."`
	Grep   string `json:"grep,omitempty" jsonschema:"Only lines with this text, in any case."`
}

// Sizes of logs.
const (
	defaultTail = 150
	tailBytes   = 256 << 10 // read for the last lines
	grepBytes   = 4 << 20   // looked through for a text
)

func (t Tools) jobLog(ctx context.Context, c *kit.Call, in jobLogIn) (kit.Text, error) {
	if in.Offset != nil && (in.Tail != 0 || in.Grep != "") {
		return "", fault.New(fault.Invalid, "offset cannot be combined with tail or grep. Send one of them.")
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return "", err
	}
	switch {
	case in.Offset != nil:
		return logPart(ctx, c, r, in)
	case in.Grep != "":
		return logMatches(ctx, c, r, in)
	}
	log, err := r.JobLog(ctx, in.Job, -tailBytes, tailBytes)
	if err != nil {
		return "", err
	}
	lines := logLines(log)
	if in.Tail == 0 {
		in.Tail = defaultTail
	}
	lines = lines[max(0, len(lines)-in.Tail):]
	lines = lastFitting(lines)
	return kit.Text(fmt.Sprintf("Last %d lines of a log of %d bytes.\n%s", len(lines), log.Size, c.Outside(strings.Join(lines, "\n")))), nil
}

// logPart reads from an offset to the end of a line.
func logPart(ctx context.Context, c *kit.Call, r api.Repo, in jobLogIn) (kit.Text, error) {
	log, err := r.JobLog(ctx, in.Job, *in.Offset, show.TextRoom)
	if err != nil {
		return "", err
	}
	text := string(log.Text)
	if end := strings.LastIndexByte(text, '\n'); end > 0 && log.Offset+int64(len(text)) < log.Size {
		text = text[:end+1]
	}
	next := log.Offset + int64(len(text))
	out := fmt.Sprintf("Bytes %d to %d of %d.\n%s", log.Offset, next, log.Size, c.Outside(show.Plain(text)))
	if next < log.Size {
		out += fmt.Sprintf("\nThere is more: go on with offset %d.", next)
	}
	return kit.Text(out), nil
}

// logMatches finds lines with a text in the end of a log.
func logMatches(ctx context.Context, c *kit.Call, r api.Repo, in jobLogIn) (kit.Text, error) {
	log, err := r.JobLog(ctx, in.Job, -grepBytes, grepBytes)
	if err != nil {
		return "", err
	}
	var found []string
	wanted := strings.ToLower(in.Grep)
	for i, line := range logLines(log) {
		if strings.Contains(strings.ToLower(line), wanted) {
			found = append(found, fmt.Sprintf("%d: %s", i+1, line))
		}
	}
	all := len(found)
	if in.Tail > 0 {
		found = found[max(0, len(found)-in.Tail):]
	}
	found = lastFitting(found)
	head := fmt.Sprintf("%d lines have the text, the last %d:\n", all, len(found))
	if log.Offset > 0 {
		head = fmt.Sprintf("In the last %d of %d bytes: ", len(log.Text), log.Size) + head
	}
	return kit.Text(head + c.Outside(strings.Join(found, "\n"))), nil
}

// logLines are the whole lines of a part of a log, fit to show.
func logLines(log api.Log) []string {
	text := string(log.Text)
	if log.Offset > 0 { // begins in the middle of a line
		_, text, _ = strings.Cut(text, "\n")
	}
	lines := strings.Split(strings.TrimSuffix(show.Plain(text), "\n"), "\n")
	for i := range lines {
		lines[i] = string(show.Clip(lines[i], show.NoteRoom))
	}
	return lines
}

// lastFitting keeps the last lines that fit an answer.
func lastFitting(lines []string) []string {
	size := 0
	for i, line := range slices.Backward(lines) {
		if size += len(line) + 1; size > show.TextRoom {
			return lines[i+1:]
		}
	}
	return lines
}

type runWorkflowIn struct {
	access.RepoIn
	Workflow string            `json:"workflow" jsonschema:"Such as ci.yml."`
	Ref      string            `json:"ref,omitempty" jsonschema:"Branch or tag."`
	Inputs   map[string]string `json:"inputs,omitempty" jsonschema:"Of the workflow."`
}

type runWorkflowOut struct {
	Started bool  `json:"started"`
	Run     int64 `json:"run,omitempty"`
}

// start finds where a workflow starts.
func (t Tools) start(ctx context.Context, c *kit.Call, in runWorkflowIn) (r api.Repo, ref string, err error) {
	if strings.Contains(in.Workflow, "/") {
		return r, "", fault.New(fault.Invalid, "workflow is the name of a file in the folder of workflows, without the folder. Leave the folder out.")
	}
	if r, err = t.Repo(ctx, c, in.Repo); err != nil || in.Ref != "" {
		return r, in.Ref, err
	}
	facts, err := r.Facts(ctx)
	return r, facts.DefaultBranch, err
}

// previewWorkflow names the commit, since a workflow runs what stands in it.
func (t Tools) previewWorkflow(ctx context.Context, c *kit.Call, in runWorkflowIn) (p kit.Preview, err error) {
	r, ref, err := t.start(ctx, c, in)
	if err != nil {
		return p, err
	}
	sha, err := r.Resolve(ctx, ref)
	return kit.Preview{Target: fmt.Sprintf("%s, workflow %s", r, in.Workflow), Effect: fmt.Sprintf("Starts it on %s, at commit %s.", ref, sha)}, err
}

func (t Tools) runWorkflow(ctx context.Context, c *kit.Call, in runWorkflowIn) (out runWorkflowOut, err error) {
	r, ref, err := t.start(ctx, c, in)
	if err != nil {
		return out, err
	}
	run, err := r.Dispatch(ctx, in.Workflow, ref, in.Inputs)
	return runWorkflowOut{err == nil, run}, err
}
