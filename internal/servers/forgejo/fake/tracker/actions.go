package tracker

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

// The words of Forgejo for the state of a run or a job. Gitea 1.26 speaks as GitHub does.
var (
	ranWords  = []string{"unknown", "waiting", "running", "success", "failure", "cancelled", "skipped", "blocked"}
	openWords = map[string]string{"waiting": "queued", "blocked": "waiting", "running": "in_progress"}
)

func githubWords(status string) (state, conclusion string) {
	if word, open := openWords[status]; open {
		return word, ""
	}
	return "completed", status
}

// runs is {total_count, workflow_runs} in both (swagger ListActionRunResponse,
// ActionWorkflowRunsResponse); only the filters and the rows differ.
func (c call) runs() exchange.Reply {
	for _, word := range c.Query["status"] {
		if c.Profile.Forgejo() && !slices.Contains(ranWords, word) {
			return c.Fail(http.StatusBadRequest, "unknown status: %s", word)
		}
	}
	rows := slices.DeleteFunc(slices.Clone(c.Repo.Runs), func(n *forge.Run) bool {
		state, conclusion := githubWords(n.Status)
		is := func(name string, have ...string) bool {
			want := slices.DeleteFunc(slices.Clone(c.Query[name]), func(s string) bool { return s == "" })
			return len(want) == 0 || slices.ContainsFunc(have, func(h string) bool { return slices.Contains(want, h) })
		}
		words := []string{n.Status}
		if !c.Profile.Forgejo() {
			words = append(words, state, conclusion)
			if !is("branch", n.Branch) || !is("actor", n.By.Login) {
				return true
			}
		} else if !is("run_number", strconv.FormatInt(n.Number, 10)) || !is("ref", "refs/heads/"+n.Branch) || !is("workflow_id", n.Workflow) {
			return true
		}
		return !is("status", words...) || !is("event", n.Event) || !is("head_sha", n.Head)
	})
	return counted(exchange.List(c.Call, rows, c.runShape), "workflow_runs", len(rows), c.Profile.Forgejo())
}

// counted wraps a page; Forgejo sets no headers here.
func counted(rep exchange.Reply, name string, total int, bare bool) exchange.Reply {
	rep.Body = exchange.Obj{name: rep.Body, "total_count": total}
	if bare {
		rep.Header = nil
	}
	return rep
}

// runShape is swagger ActionRun for Forgejo, ActionWorkflowRun for Gitea.
func (c call) runShape(n *forge.Run) any {
	stopped := time.Time{}
	state, conclusion := githubWords(n.Status)
	if conclusion != "" {
		stopped = n.At.Add(90 * time.Second)
	}
	if c.Profile.Forgejo() {
		return exchange.Obj{"id": n.ID, "title": n.Title, "repository": c.V.Repo(c.Repo), "workflow_id": n.Workflow, "index_in_repo": n.Number,
			"trigger_user": c.V.User(n.By), "ScheduleID": 0, "prettyref": n.Branch, "is_ref_deleted": c.Repo.Tip(n.Branch) == nil, "commit_sha": n.Head,
			"is_fork_pull_request": false, "need_approval": false, "approved_by": 0, "event": n.Event, "event_payload": "{}", "trigger_event": n.Event,
			"status": n.Status, "started": n.At, "stopped": stopped, "created": n.At, "updated": n.At, "duration": stopped.Sub(n.At).Nanoseconds(),
			"html_url": fmt.Sprintf("%s/actions/runs/%d", c.V.Web(c.Repo), n.Number)}
	}
	out := exchange.Obj{"id": n.ID, "url": fmt.Sprintf("%s/actions/runs/%d", c.V.API(c.Repo), n.ID), "html_url": fmt.Sprintf("%s/actions/runs/%d", c.V.Web(c.Repo), n.ID),
		"display_title": n.Title, "path": n.Workflow + "@refs/heads/" + n.Branch, "event": n.Event, "run_attempt": 0, "run_number": n.Number, "head_sha": n.Head,
		"head_branch": n.Branch, "status": state, "actor": c.V.User(n.By), "trigger_actor": c.V.User(n.By), "repository": c.V.Repo(c.Repo),
		"started_at": n.At, "completed_at": stopped}
	if conclusion != "" {
		out["conclusion"] = conclusion
	}
	return out
}

// onRun finds the run of the path, by id.
func onRun(serve func(call, *forge.Run) exchange.Reply) func(call) exchange.Reply {
	return func(c call) exchange.Reply {
		n := forge.Find(c.Repo.Runs, func(n *forge.Run) bool { return n.ID == c.VarID("run") })
		if n == nil && c.Profile.Forgejo() {
			return c.Fail(http.StatusNotFound, "run with id %d: resource does not exist", c.VarID("run"))
		}
		if n == nil {
			return c.Missing("run does not exist")
		}
		return serve(c, n)
	}
}

func (c call) getRun(n *forge.Run) exchange.Reply { return exchange.OK(c.runShape(n)) }

// jobs is a whole list in Forgejo, {jobs, total_count} in Gitea (ref 4.2).
func (c call) jobs(n *forge.Run) exchange.Reply {
	if c.Profile.Forgejo() {
		return exchange.OK(shape.Each(n.Jobs, c.jobShape(n)))
	}
	return counted(exchange.List(c.Call, n.Jobs, c.jobShape(n)), "jobs", len(n.Jobs), false)
}

// jobShape is swagger ActionRunJob (with what ref 4.2 tells of v16) or ActionWorkflowJob.
func (c call) jobShape(n *forge.Run) func(*forge.Job) any {
	return func(j *forge.Job) any {
		if c.Profile.Forgejo() {
			return exchange.Obj{"id": j.ID, "run_id": n.ID, "attempt": j.Attempt, "handle": fmt.Sprintf("%x-%d", j.ID, j.Attempt), "repo_id": c.Repo.ID, "owner_id": c.Repo.Owner.ID,
				"name": j.Name, "needs": nil, "runs_on": []string{"docker"}, "task_id": j.Task, "status": j.Status}
		}
		state, conclusion := githubWords(j.Status)
		steps := []any{}
		if j.Task != 0 {
			step := exchange.Obj{"name": j.Name, "number": 0, "status": state, "started_at": n.At, "completed_at": n.At}
			if conclusion != "" {
				step["conclusion"] = conclusion
			}
			steps = append(steps, step)
		}
		out := exchange.Obj{"id": j.ID, "url": fmt.Sprintf("%s/actions/jobs/%d", c.V.API(c.Repo), j.ID), "html_url": fmt.Sprintf("%s/actions/runs/%d/jobs/%d", c.V.Web(c.Repo), n.ID, j.ID),
			"run_id": n.ID, "run_url": fmt.Sprintf("%s/actions/runs/%d", c.V.API(c.Repo), n.ID), "name": j.Name, "labels": []string{"ubuntu-latest"}, "run_attempt": j.Attempt,
			"head_sha": n.Head, "head_branch": n.Branch, "status": state, "steps": steps, "created_at": n.At, "started_at": n.At, "completed_at": n.At}
		if conclusion != "" {
			out["conclusion"] = conclusion
		}
		return out
	}
}

func (c call) job() (*forge.Run, *forge.Job) {
	for _, n := range c.Repo.Runs {
		if j := forge.Find(n.Jobs, func(j *forge.Job) bool { return j.ID == c.VarID("id") }); j != nil {
			return n, j
		}
	}
	return nil, nil
}

func (c call) getJob() exchange.Reply {
	n, j := c.job()
	if j == nil {
		return c.Missing("job does not exist")
	}
	return exchange.OK(c.jobShape(n)(j))
}

// jobLog is plain text with ranges (ref 4.2); a job that was not started has none.
func (c call) jobLog() exchange.Reply {
	_, j := c.job()
	switch {
	case j == nil:
		return c.Missing(fmt.Sprintf("run job with id %d: resource does not exist", c.VarID("id")))
	case j.Task == 0:
		return c.Missing("job not started")
	case c.Number("attempt") > int(j.Attempt):
		return c.Missing("attempt does not exist")
	}
	header := http.Header{}
	if !c.Profile.Forgejo() {
		header.Set("Content-Disposition", fmt.Sprintf("attachment; filename=ci-%s-%d.log", j.Name, j.Task))
	}
	return c.Ranged(exchange.PlainText, j.Log, header)
}

// tasks is swagger ActionTaskResponse.
func (c call) tasks() exchange.Reply {
	var rows []exchange.Obj
	for _, n := range c.Repo.Runs {
		for _, j := range n.Jobs {
			if j.Task != 0 {
				rows = append(rows, exchange.Obj{"id": j.Task, "name": j.Name, "head_branch": n.Branch, "head_sha": n.Head, "run_number": n.Number, "event": n.Event,
					"display_title": n.Title, "status": j.Status, "workflow_id": n.Workflow, "url": fmt.Sprintf("%s/actions/runs/%d", c.V.Web(c.Repo), n.Number),
					"created_at": n.At, "updated_at": n.At, "run_started_at": n.At})
			}
		}
	}
	return counted(exchange.List(c.Call, rows, func(o exchange.Obj) any { return o }), "workflow_runs", len(rows), c.Profile.Forgejo())
}

func (c call) workflowDirs() []string {
	if c.Profile.Forgejo() {
		return []string{".forgejo/workflows/", ".gitea/workflows/", ".github/workflows/"}
	}
	return []string{".gitea/workflows/", ".github/workflows/"}
}

// workflows is swagger ActionWorkflowResponse.
func (c call) workflows() exchange.Reply {
	rows := []any{}
	if tip := c.Repo.Tip(c.Repo.Main); tip != nil {
		for path := range tip.Files {
			for _, dir := range c.workflowDirs() {
				if name, in := strings.CutPrefix(path, dir); in {
					rows = append(rows, exchange.Obj{"id": name, "name": name, "path": path, "state": "active", "created_at": tip.When, "updated_at": tip.When,
						"url": c.V.API(c.Repo) + "/actions/workflows/" + name, "html_url": c.V.Web(c.Repo) + "/src/branch/" + c.Repo.Main + "/" + path,
						"badge_url": c.V.Web(c.Repo) + "/actions/workflows/" + name + "/badge.svg", "deleted_at": time.Time{}})
				}
			}
		}
	}
	return exchange.OK(exchange.Obj{"workflows": rows, "total_count": len(rows)})
}

// dispatch starts a run at a ref that has the workflow (swagger DispatchWorkflowOption,
// CreateActionWorkflowDispatch). It answers 204, or what it started where that is asked
// for: 201 in Forgejo, by the body; 200 in Gitea, by the query.
func (c call) dispatch() exchange.Reply {
	var in struct {
		Ref    string            `json:"ref"`
		Inputs map[string]string `json:"inputs"`
		Return bool              `json:"return_run_info"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if in.Ref == "" && c.Profile.Forgejo() {
		return c.Fail(http.StatusBadRequest, "ref is empty")
	}
	if in.Ref == "" {
		return c.Invalid("[Ref]: Required")
	}
	file, branch := c.Vars["file"], strings.TrimPrefix(in.Ref, "refs/heads/")
	at := c.Repo.Git.Resolve(in.Ref)
	if at == nil || !slices.ContainsFunc(c.workflowDirs(), func(dir string) bool { return at.Files[dir+file] != "" }) {
		return c.Fail(http.StatusNotFound, "workflow %q doesn't exist", file)
	}
	n := c.Forge.StartRun(c.Repo, c.User, forge.SeedRun{Workflow: file, Branch: branch, Event: "workflow_dispatch", Jobs: []forge.SeedJob{{Name: "test"}}})
	switch {
	case c.Profile.Forgejo() && in.Return: // swagger DispatchWorkflowRun
		return exchange.Created(exchange.Obj{"id": n.ID, "run_number": n.Number, "jobs": []string{"test"}})
	case !c.Profile.Forgejo() && c.Truth("return_run_details"): // swagger RunDetails
		return exchange.OK(exchange.Obj{"workflow_run_id": n.ID, "run_url": fmt.Sprintf("%s/actions/runs/%d", c.V.API(c.Repo), n.ID), "html_url": fmt.Sprintf("%s/actions/runs/%d", c.V.Web(c.Repo), n.ID)})
	}
	return exchange.Empty(http.StatusNoContent)
}

// rerun starts all jobs again (Gitea 1.26: 201 with the run).
func (c call) rerun(n *forge.Run) exchange.Reply {
	if _, conclusion := githubWords(n.Status); conclusion == "" {
		return c.Fail(http.StatusBadRequest, "this workflow run is not done")
	}
	n.Status = "waiting"
	for _, j := range n.Jobs {
		j.Status, j.Task, j.Attempt = "waiting", 0, j.Attempt+1
	}
	return exchange.Created(c.runShape(n))
}
