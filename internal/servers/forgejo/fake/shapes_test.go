package fake_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/forgejo/fake"
)

// definitions are the public API document's, reduced to names and types of members:
// testdata/gitea.json from Gitea 1.26.0, testdata/forgejo.json from the Forgejo of
// December 2024 with the runs and jobs that came later (ref 4.2).
type definitions map[string]map[string]string

// mayLack are members that both leave out when they are empty.
var mayLack = map[string][]string{
	"Repository":        {"parent", "repo_transfer", "external_tracker", "external_wiki", "internal_tracker", "default_target_branch", "permissions", "wiki_branch"},
	"ChangedFile":       {"previous_filename"},
	"GitBlobResponse":   {"lfs_oid", "lfs_size"},
	"ContentsResponse":  {"last_commit_message", "lfs_oid", "lfs_size"},
	"PullRequest":       {"review_comments", "additions", "deletions", "changed_files"}, // the latter in lists of Gitea
	"ActionWorkflowRun": {"conclusion", "head_repository", "repository_id", "head_branch"},
	"ActionWorkflowJob": {"conclusion", "runner_id", "runner_name"}, "ActionWorkflowStep": {"conclusion"},
}

// check tells where a value does not follow a type: members that are missing, that
// nobody defined, or that are of another type. Any may be null.
func (d definitions) check(at, kind string, v any) (faults []string) {
	if v == nil {
		return nil
	}
	if item, is := strings.CutPrefix(kind, "["); is {
		rows, ok := v.([]any)
		if !ok {
			return []string{at + " is no list"}
		}
		for i, row := range rows {
			faults = append(faults, d.check(fmt.Sprintf("%s[%d]", at, i), strings.TrimSuffix(item, "]"), row)...)
		}
		return faults
	}
	ok := true
	switch kind {
	case "string":
		_, ok = v.(string)
	case "integer":
		n, is := v.(float64)
		ok = is && n == float64(int64(n))
	case "boolean":
		_, ok = v.(bool)
	case "time":
		s, is := v.(string)
		_, err := time.Parse(time.RFC3339, s)
		ok = is && err == nil
	case "object", "any", "number":
	default:
		return d.object(at, kind, v)
	}
	if !ok {
		faults = append(faults, fmt.Sprintf("%s is %T %v, not %s", at, v, v, kind))
	}
	return faults
}

func (d definitions) object(at, kind string, v any) (faults []string) {
	def, known := d[kind]
	o, is := v.(map[string]any)
	if !known || !is {
		return []string{fmt.Sprintf("%s: %s is no definition, or this no object: %v", at, kind, v)}
	}
	for name, member := range o {
		want, defined := def[name]
		if kind == "User" && name == "username" { // which User writes beside its definition
			continue
		}
		if !defined {
			faults = append(faults, at+"."+name+" is not defined for "+kind)
			continue
		}
		faults = append(faults, d.check(at+"."+name, want, member)...)
	}
	for name := range def {
		if _, has := o[name]; !has && !slices.Contains(mayLack[kind], name) {
			faults = append(faults, at+"."+name+" is missing from "+kind)
		}
	}
	return faults
}

func TestShapes_followThePublicDefinitions(t *testing.T) {
	t.Parallel()
	for name, profile := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := "testdata/forgejo.json"
			if profile == fake.Gitea126 {
				file = "testdata/gitea.json"
			}
			var defs definitions
			if err := json.Unmarshal(readFile(t, file), &defs); err != nil {
				t.Fatal(err)
			}
			s := start(t, fake.Options{Profile: profile})
			follows := func(status int, kind, method, path, body string) answer {
				t.Helper()
				a := s.must(status, method, path, fake.AdaToken, body)
				for _, fault := range defs.check(method+" "+path, kind, a.body) {
					t.Error(fault)
				}
				if strings.HasPrefix(kind, "[") && len(a.list()) == 0 {
					t.Errorf("%s %s: nothing to look at", method, path)
				}
				return a
			}
			shapesOfCode(follows)
			shapesOfTracker(follows)
			if profile == fake.Gitea126 {
				shapesOfGiteaRuns(follows)
			} else {
				shapesOfForgejoRuns(follows, profile)
			}
		})
	}
}

type follower func(status int, kind, method, path, body string) answer

func shapesOfCode(follows follower) {
	follows(200, "ServerVersion", "GET", "/api/v1/version", "")
	follows(200, "GeneralAPISettings", "GET", "/api/v1/settings/api", "")
	follows(200, "User", "GET", "/api/v1/user", "")
	follows(200, "User", "GET", "/api/v1/users/ben", "")
	follows(200, "[Organization]", "GET", "/api/v1/user/orgs", "")
	follows(200, "Organization", "GET", "/api/v1/orgs/acme", "")
	follows(200, "[Repository]", "GET", "/api/v1/user/repos", "")
	follows(200, "SearchResults", "GET", "/api/v1/repos/search?q=tower", "")
	follows(200, "Repository", "GET", tower, "")
	follows(201, "Repository", "POST", "/api/v1/user/repos", `{"name":"fresh","auto_init":true,"private":true}`)
	follows(201, "Repository", "POST", "/api/v1/orgs/acme/repos", `{"name":"fresh"}`)
	follows(202, "Repository", "POST", "/api/v1/repos/acme/docs/forks", `{"name":"mine"}`)
	follows(200, "Repository", "PATCH", tower, `{"description":"taller"}`)
	follows(200, "[ContentsResponse]", "GET", tower+"/contents", "")
	follows(200, "ContentsResponse", "GET", tower+"/contents/docs/plan.md?ref=higher", "")
	follows(201, "FileResponse", "POST", tower+"/contents/a.txt", `{"content":"`+b64("a\n")+`","new_branch":"side"}`)
	sha := follows(201, "FilesResponse", "POST", tower+"/contents", `{"files":[{"operation":"create","path":"b.txt","content":"`+b64("b\n")+`"}]}`).
		obj()["files"].([]any)[0].(map[string]any)["sha"].(string)
	follows(200, "FileDeleteResponse", "DELETE", tower+"/contents/b.txt", `{"sha":"`+sha+`"}`)
	follows(200, "GitTreeResponse", "GET", tower+"/git/trees/main?recursive=true", "")
	follows(200, "GitBlobResponse", "GET", tower+"/git/blobs/"+sha, "")
	follows(200, "[Commit]", "GET", tower+"/commits", "")
	follows(200, "Commit", "GET", tower+"/git/commits/higher", "")
	follows(200, "[Branch]", "GET", tower+"/branches", "")
	follows(201, "Branch", "POST", tower+"/branches", `{"new_branch_name":"feature/x"}`)
	follows(200, "Branch", "GET", tower+"/branches/feature/x", "")
	follows(200, "[Tag]", "GET", tower+"/tags", "")
	follows(200, "Compare", "GET", tower+"/compare/main...higher", "")
	head := follows(200, "Branch", "GET", tower+"/branches/higher", "").obj()["commit"].(map[string]any)["id"].(string)
	follows(201, "CommitStatus", "POST", tower+"/statuses/"+head, `{"state":"failure","context":"ci/test"}`)
	follows(200, "CombinedStatus", "GET", tower+"/commits/higher/status", "")
	follows(200, "[CommitStatus]", "GET", tower+"/commits/higher/statuses", "")
	follows(201, "Release", "POST", tower+"/releases", `{"tag_name":"v2.0","name":"two"}`)
	follows(200, "[Release]", "GET", tower+"/releases", "")
	follows(200, "Release", "GET", tower+"/releases/latest", "")
	follows(200, "Release", "GET", tower+"/releases/tags/v1.0", "")
}

func shapesOfTracker(follows follower) {
	follows(200, "[Issue]", "GET", tower+"/issues?state=all", "")
	follows(200, "[Issue]", "GET", "/api/v1/repos/issues/search?state=all", "")
	follows(201, "Issue", "POST", tower+"/issues", `{"title":"x","assignees":["ben"]}`)
	follows(201, "Issue", "PATCH", tower+"/issues/1", `{"title":"y"}`)
	follows(200, "[Comment]", "GET", tower+"/issues/1/comments", "")
	follows(201, "Comment", "POST", tower+"/issues/3/comments", `{"body":"good"}`)
	follows(200, "[Label]", "GET", tower+"/labels", "")
	follows(201, "Label", "POST", tower+"/labels", `{"name":"ui","color":"#AABBCC"}`)
	follows(200, "[Label]", "POST", tower+"/issues/1/labels", `{"labels":["ui"]}`)
	follows(200, "[Milestone]", "GET", tower+"/milestones", "")
	follows(201, "Milestone", "POST", tower+"/milestones", `{"title":"door","due_on":"2026-12-24T00:00:00Z"}`)
	follows(200, "[PullRequest]", "GET", tower+"/pulls", "")
	follows(200, "PullRequest", "GET", tower+"/pulls/3", "")
	follows(200, "PullRequest", "GET", tower+"/pulls/main/higher", "")
	follows(201, "PullRequest", "PATCH", tower+"/pulls/3", `{"body":"twelve metres"}`)
	follows(200, "[ChangedFile]", "GET", tower+"/pulls/3/files", "")
	follows(200, "[Commit]", "GET", tower+"/pulls/3/commits", "")
	follows(201, "[PullReview]", "POST", tower+"/pulls/3/requested_reviewers", `{"reviewers":["eve"]}`)
	id := follows(200, "PullReview", "POST", tower+"/pulls/3/reviews", `{"event":"COMMENT","comments":[{"path":"tower.go","body":"why?","new_position":4}]}`).obj()["id"].(float64)
	follows(200, "[PullReview]", "GET", tower+"/pulls/3/reviews", "")
	follows(200, "[PullReviewComment]", "GET", fmt.Sprintf("%s/pulls/3/reviews/%d/comments", tower, int64(id)), "")
	follows(200, "[NotificationThread]", "GET", "/api/v1/notifications", "")
	follows(200, "NotificationCount", "GET", "/api/v1/notifications/new", "")
}

func shapesOfGiteaRuns(follows follower) {
	runs := follows(200, "ActionWorkflowRunsResponse", "GET", tower+"/actions/runs", "").obj()["workflow_runs"].([]any)
	run := fmt.Sprintf("%s/actions/runs/%d", tower, int64(runs[0].(map[string]any)["id"].(float64)))
	follows(200, "ActionWorkflowRun", "GET", run, "")
	jobs := follows(200, "ActionWorkflowJobsResponse", "GET", run+"/jobs", "").obj()["jobs"].([]any)
	follows(200, "ActionWorkflowJob", "GET", fmt.Sprintf("%s/actions/jobs/%d", tower, int64(jobs[0].(map[string]any)["id"].(float64))), "")
	follows(200, "ActionWorkflowResponse", "GET", tower+"/actions/workflows", "")
	follows(200, "ActionTaskResponse", "GET", tower+"/actions/tasks", "")
	follows(200, "RunDetails", "POST", tower+"/actions/workflows/ci.yml/dispatches?return_run_details=true", `{"ref":"main"}`)
	follows(201, "ActionWorkflowRun", "POST", run+"/rerun", "")
}

func shapesOfForgejoRuns(follows follower, profile fake.Profile) {
	runs := follows(200, "ListActionRunResponse", "GET", tower+"/actions/runs", "").obj()["workflow_runs"].([]any)
	run := fmt.Sprintf("%s/actions/runs/%d", tower, int64(runs[0].(map[string]any)["id"].(float64)))
	follows(200, "ActionRun", "GET", run, "")
	follows(200, "ActionTaskResponse", "GET", tower+"/actions/tasks", "")
	follows(201, "DispatchWorkflowRun", "POST", tower+"/actions/workflows/ci.yml/dispatches", `{"ref":"main","return_run_info":true}`)
	if profile == fake.Forgejo16 {
		follows(200, "[ActionRunJob]", "GET", run+"/jobs", "")
	}
}
