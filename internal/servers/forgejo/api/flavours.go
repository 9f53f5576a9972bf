package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"drawbridge/internal/servers/kit"
)

// forgejoActions is the API of Forgejo. Jobs and logs came with version 16.
type forgejoActions struct{ About }

type forgejoRun struct {
	ID       int64     `json:"id"`
	Number   int64     `json:"index_in_repo"`
	Workflow string    `json:"workflow_id"`
	Title    string    `json:"title"`
	Event    string    `json:"event"`
	Branch   string    `json:"prettyref"`
	SHA      string    `json:"commit_sha"`
	Status   string    `json:"status"`
	User     *User     `json:"trigger_user"`
	HTMLURL  string    `json:"html_url"`
	Started  time.Time `json:"started"`
	Stopped  time.Time `json:"stopped"`
}

func (f forgejoRun) plain() Run {
	return Run{f.ID, f.Number, f.Workflow, f.Title, f.Event, f.Branch, f.SHA, f.Status, f.User.name(), f.HTMLURL, f.Started, f.Stopped}
}

func (forgejoActions) runs(ctx context.Context, r Repo, w Window, f RunSearch) ([]Run, int, error) {
	return runPages(ctx, r, w, f, forgejoRun.plain)
}

func (forgejoActions) run(ctx context.Context, r Repo, id int64) (Run, error) {
	var out forgejoRun
	err := r.get(ctx, r.path("actions", "runs", digits(id)), nil, &out, r.run(id))
	return out.plain(), err
}

func (a forgejoActions) jobs(ctx context.Context, r Repo, run Run) ([]Job, error) {
	if a.Major < 16 {
		return a.tasks(ctx, r, run)
	}
	var out []struct {
		ID           int64 `json:"id"`
		Name, Status string
	}
	err := r.get(ctx, r.path("actions", "runs", digits(run.ID), "jobs"), nil, &out, r.run(run.ID))
	jobs := make([]Job, len(out))
	for i, j := range out {
		jobs[i] = Job{ID: j.ID, Name: j.Name, Status: j.Status}
	}
	return jobs, err
}

// recentTasks is how far back tasks are looked for.
const recentTasks = 200

// tasks finds what ran for a run where the API lists tasks of all runs alone.
func (a forgejoActions) tasks(ctx context.Context, r Repo, run Run) ([]Job, error) {
	type task struct {
		Name, Status string
		RunNumber    int64 `json:"run_number"`
	}
	rows, _, err := pages(ctx, r.Session, Window{Limit: recentTasks}, func(ctx context.Context, q url.Values) ([]task, int, error) {
		var out struct {
			Tasks []task `json:"workflow_runs"`
			Total int    `json:"total_count"`
		}
		err := r.get(ctx, r.path("actions", "tasks"), q, &out, "tasks of "+r.String())
		return out.Tasks, out.Total, err
	})
	var jobs []Job
	for _, t := range rows {
		if t.RunNumber == run.Number {
			jobs = append(jobs, Job{Name: t.Name, Status: t.Status})
		}
	}
	return jobs, err
}

func (a forgejoActions) logs() error {
	if a.Major < 16 {
		return noLogs(a.About)
	}
	return nil
}

func (forgejoActions) dispatched() (url.Values, map[string]any) {
	return nil, map[string]any{"return_run_info": true}
}

// giteaActions is the API of Gitea, which follows GitHub's.
type giteaActions struct{ About }

// giteaStatus is what a run or job is: its conclusion once it is over.
type giteaStatus struct {
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
}

func (s giteaStatus) word() string {
	switch s.Status {
	case "completed":
		return cmp.Or(s.Conclusion, s.Status)
	case "in_progress":
		return "running"
	case "queued":
		return "waiting"
	}
	return s.Status
}

type giteaRun struct {
	giteaStatus
	ID       int64     `json:"id"`
	Number   int64     `json:"run_number"`
	Path     string    `json:"path"`
	Title    string    `json:"display_title"`
	Event    string    `json:"event"`
	Branch   string    `json:"head_branch"`
	SHA      string    `json:"head_sha"`
	User     *User     `json:"trigger_actor"`
	HTMLURL  string    `json:"html_url"`
	Started  time.Time `json:"started_at"`
	Finished time.Time `json:"completed_at"`
}

func (g giteaRun) plain() Run {
	return Run{g.ID, g.Number, workflowOf(g.Path), g.Title, g.Event, g.Branch, g.SHA, g.word(), g.User.name(), g.HTMLURL, g.Started, g.Finished}
}

// giteaFilter has the words for states that differ.
var giteaFilter = map[string]string{"running": "in_progress", "waiting": "queued"}

func (giteaActions) runs(ctx context.Context, r Repo, w Window, f RunSearch) ([]Run, int, error) {
	f.Status = cmp.Or(giteaFilter[f.Status], f.Status)
	return runPages(ctx, r, w, f, giteaRun.plain)
}

func (giteaActions) run(ctx context.Context, r Repo, id int64) (Run, error) {
	var out giteaRun
	err := r.get(ctx, r.path("actions", "runs", digits(id)), nil, &out, r.run(id))
	return out.plain(), err
}

// mostJobs bounds the jobs of one run that are read.
const mostJobs = 256

func (giteaActions) jobs(ctx context.Context, r Repo, run Run) ([]Job, error) {
	type job struct {
		giteaStatus
		ID    int64  `json:"id"`
		Name  string `json:"name"`
		Steps []struct {
			giteaStatus
			Name string `json:"name"`
		} `json:"steps"`
	}
	rows, _, err := pages(ctx, r.Session, Window{Limit: mostJobs}, func(ctx context.Context, q url.Values) ([]job, int, error) {
		var out struct {
			Jobs  []job `json:"jobs"`
			Total int   `json:"total_count"`
		}
		err := r.get(ctx, r.path("actions", "runs", digits(run.ID), "jobs"), q, &out, r.run(run.ID))
		return out.Jobs, out.Total, err
	})
	jobs := make([]Job, len(rows))
	for i, j := range rows {
		jobs[i] = Job{ID: j.ID, Name: j.Name, Status: j.word()}
		for _, s := range j.Steps {
			jobs[i].Steps = append(jobs[i].Steps, Step{s.Name, s.word()})
		}
	}
	return jobs, err
}

func (giteaActions) logs() error { return nil }

func (giteaActions) dispatched() (url.Values, map[string]any) {
	return url.Values{"return_run_details": {"true"}}, map[string]any{}
}

// runPages reads runs, which both systems wrap in the same way.
func runPages[T any](ctx context.Context, r Repo, w Window, f RunSearch, plain func(T) Run) ([]Run, int, error) {
	rows, total, err := pages(ctx, r.Session, w, func(ctx context.Context, q url.Values) ([]T, int, error) {
		setIf(q, "event", f.Event)
		setIf(q, "status", f.Status)
		setIf(q, "head_sha", f.SHA)
		var out struct {
			Total int `json:"total_count"`
			Runs  []T `json:"workflow_runs"`
		}
		_, err := r.call(ctx, kit.Request{Method: http.MethodGet, Path: r.path("actions", "runs"), Query: q, Into: &out, What: "runs of " + r.String()})
		return out.Runs, out.Total, err
	})
	runs := make([]Run, len(rows))
	for i, row := range rows {
		runs[i] = plain(row)
	}
	return runs, total, err
}

// workflowOf is the file of a path like "ci.yml@refs/heads/main".
func workflowOf(path string) string {
	for i, c := range path {
		if c == '@' {
			return path[:i]
		}
	}
	return path
}
