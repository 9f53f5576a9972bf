// Package tracker is the part of the fake's API about issues, pull requests, reviews, runs
// of workflows and notifications. Only the fake uses it.
package tracker

import (
	"net/http"
	"slices"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
)

// call is a call with the operations of this package.
type call struct{ *exchange.Call }

func add(t *exchange.Routing, how exchange.Route, method, path string, serve func(call) exchange.Reply) {
	t.Add(how, method, path, func(c *exchange.Call) exchange.Reply { return serve(call{c}) })
}

const (
	get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
)

// Routes are the operations, the more particular path first. Scopes follow the groups of
// the real routers: issues, labels and milestones ask for issue, pull requests and runs
// for repository (Gitea 1.26, Forgejo).
func Routes(p exchange.Profile) []exchange.Route {
	const repo = "/api/v1/repos/{owner}/{repo}"
	misc, repos, act := exchange.Routing{Prefix: "/api/v1"}, exchange.Routing{Prefix: repo}, exchange.Routing{Prefix: repo + "/actions"}
	miscRoutes(&misc)
	issueRoutes(&repos)
	pullRoutes(&repos)
	if p.Forgejo() {
		forgejoActions(&act, p)
	} else {
		giteaActions(&act)
	}
	return slices.Concat(misc.Routes, repos.Routes, act.Routes)
}

func miscRoutes(t *exchange.Routing) {
	news := exchange.Route{Scopes: []string{"notification"}, SignedIn: true}
	add(t, exchange.Route{Scopes: []string{"issue"}}, get, "/repos/issues/search", call.searchIssues)
	add(t, news, get, "/notifications", call.notifications)
	add(t, news, put, "/notifications", call.readNotifications)
	add(t, news, get, "/notifications/new", call.countNotifications)
	add(t, news, get, "/notifications/threads/{id}", call.thread)
	add(t, news, patch, "/notifications/threads/{id}", call.readThread)
}

func issueRoutes(t *exchange.Routing) {
	read := exchange.Route{Scopes: []string{"issue"}}
	self := exchange.Route{Scopes: read.Scopes, SignedIn: true}
	live := exchange.Route{Scopes: read.Scopes, SignedIn: true, Live: true}
	write := exchange.Route{Scopes: read.Scopes, SignedIn: true, Need: forge.Write}
	add(t, read, get, "/issues", call.issues)
	add(t, live, post, "/issues", call.createIssue)
	add(t, read, get, "/issues/comments/{id}", onComment(call.getComment))
	add(t, live, patch, "/issues/comments/{id}", onComment(call.editComment))
	add(t, self, del, "/issues/comments/{id}", onComment(call.deleteComment))
	add(t, read, get, "/issues/{index}", onIssue(call.getIssue))
	add(t, self, patch, "/issues/{index}", onIssue(call.editIssue))
	add(t, read, get, "/issues/{index}/comments", call.comments)
	add(t, live, post, "/issues/{index}/comments", call.createComment)
	add(t, read, get, "/issues/{index}/labels", onIssue(call.issueLabels))
	add(t, self, post, "/issues/{index}/labels", onIssue(call.setIssueLabels))
	add(t, self, put, "/issues/{index}/labels", onIssue(call.setIssueLabels))
	add(t, self, del, "/issues/{index}/labels", onIssue(call.dropIssueLabel))
	add(t, self, del, "/issues/{index}/labels/{id}", onIssue(call.dropIssueLabel))
	add(t, read, get, "/labels", call.labels)
	add(t, write, post, "/labels", call.createLabel)
	add(t, write, patch, "/labels/{id}", call.editLabel)
	add(t, write, del, "/labels/{id}", call.deleteLabel)
	add(t, read, get, "/milestones", call.milestones)
	add(t, write, post, "/milestones", call.createMilestone)
	add(t, read, get, "/milestones/{id}", call.getMilestone)
	add(t, write, patch, "/milestones/{id}", call.editMilestone)
	add(t, write, del, "/milestones/{id}", call.deleteMilestone)
}

func pullRoutes(t *exchange.Routing) {
	read := exchange.Route{Scopes: []string{"repository"}}
	self := exchange.Route{Scopes: read.Scopes, SignedIn: true}
	live := exchange.Route{Scopes: read.Scopes, SignedIn: true, Live: true}
	add(t, read, get, "/pulls", call.pulls)
	add(t, live, post, "/pulls", call.createPull)
	add(t, read, get, "/pulls/{index}", onPull(call.getPull))
	add(t, self, patch, "/pulls/{index}", onPull(call.editPull))
	add(t, read, get, "/pulls/{index}/files", onPull(call.pullFiles))
	add(t, read, get, "/pulls/{index}/commits", onPull(call.pullCommits))
	add(t, read, get, "/pulls/{index}/merge", onPull(call.isMerged))
	add(t, live, post, "/pulls/{index}/merge", onPull(call.merge))
	add(t, self, post, "/pulls/{index}/update", onPull(call.updatePull))
	add(t, self, post, "/pulls/{index}/requested_reviewers", onPull(call.requestReview))
	add(t, self, del, "/pulls/{index}/requested_reviewers", onPull(call.requestReview))
	add(t, read, get, "/pulls/{index}/reviews", onPull(call.reviews))
	add(t, self, post, "/pulls/{index}/reviews", onPull(call.createReview))
	add(t, read, get, "/pulls/{index}/reviews/{id}", onReview(call.getReview))
	add(t, self, post, "/pulls/{index}/reviews/{id}", onReview(call.submitReview))
	add(t, self, del, "/pulls/{index}/reviews/{id}", onReview(call.deleteReview))
	add(t, read, get, "/pulls/{index}/reviews/{id}/comments", onReview(call.remarks))
	add(t, self, post, "/pulls/{index}/reviews/{id}/dismissals", onReview(call.dismissReview))
	add(t, read, get, "/pulls/{base}/{head...}", call.pullOfBranches)
}

func forgejoActions(t *exchange.Routing, p exchange.Profile) {
	read := exchange.Route{Scopes: []string{"repository"}, SignedIn: true}
	write := exchange.Route{Scopes: read.Scopes, SignedIn: true, Need: forge.Write}
	add(t, read, get, "/runs", call.runs)
	add(t, read, get, "/runs/{run}", onRun(call.getRun))
	add(t, read, get, "/tasks", call.tasks)
	add(t, write, post, "/workflows/{file}/dispatches", call.dispatch)
	if p == exchange.Forgejo16 { // ref 4.2: the jobs of a run and their logs, from v16 on
		add(t, read, get, "/runs/{run}/jobs", onRun(call.jobs))
		add(t, read, get, "/jobs/{id}/logs", call.jobLog)
	}
}

func giteaActions(t *exchange.Routing) {
	read := exchange.Route{Scopes: []string{"repository"}, SignedIn: true}
	write := exchange.Route{Scopes: read.Scopes, SignedIn: true, Need: forge.Write}
	add(t, read, get, "/runs", call.runs)
	add(t, read, get, "/runs/{run}", onRun(call.getRun))
	add(t, read, get, "/runs/{run}/jobs", onRun(call.jobs))
	add(t, write, post, "/runs/{run}/rerun", onRun(call.rerun))
	add(t, read, get, "/jobs/{id}", call.getJob)
	add(t, read, get, "/jobs/{id}/logs", call.jobLog)
	add(t, read, get, "/tasks", call.tasks)
	add(t, read, get, "/workflows", call.workflows)
	add(t, write, post, "/workflows/{file}/dispatches", call.dispatch)
}
