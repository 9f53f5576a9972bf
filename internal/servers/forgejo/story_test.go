package forgejo_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/forgejo"
	"drawbridge/internal/servers/forgejo/giteatest"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// The flag -gitea names a folder in which a real Gitea is built, where it is not there
// yet, and used. With -update its traffic becomes the tape that the other runs replay.
var giteaDir = flag.String("gitea", "", "folder for a real Gitea to test against; built there when missing")

// tape is the traffic of TestStory with a real Gitea 1.26.0.
var tape = filepath.Join("testdata", "gitea-1.26.0.jsonl")

// own are tokens by user.
type own map[string]string

func (o own) For(_ context.Context, user, _ string) (map[string]secret.String, error) {
	if o[user] == "" {
		return nil, nil
	}
	return map[string]secret.String{"token": secret.New(o[user])}, nil
}

// stage is where the story plays.
type stage struct {
	url    string
	tokens own
	real   *giteatest.Server // nil when it is replayed
}

func newStage(t *testing.T) stage {
	t.Helper()
	if *giteaDir == "" {
		return stage{url: giteatest.Replay(t, tape), tokens: own{giteatest.Admin: giteatest.Admin, giteatest.User: giteatest.User}}
	}
	giteatest.Build(t, *giteaDir)
	s := giteatest.Start(t, *giteaDir)
	at := stage{url: s.URL, tokens: s.Tokens, real: s}
	if kittest.Updating() {
		at.url = giteatest.Record(t, s, tape)
	}
	return at
}

// client opens the server and calls as a user with a token of their own.
func (s stage) client(t *testing.T, user string) *kittest.Client {
	t.Helper()
	suite := kittest.Suite{Settings: map[string]string{"url": s.url}, New: func(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
		deps.Credentials = s.tokens
		return kittest.Opens(forgejo.ReadConfig, forgejo.New)(set, deps)
	}}
	srv, _ := suite.Open(t, nil, true)
	return kittest.NewClient(srv, user)
}

// prepare does what no tool does.
func (s stage) prepare(t *testing.T, method, path, body string) {
	t.Helper()
	if s.real != nil {
		s.real.Do(t, method, path, giteatest.Admin, body)
	}
}

// until repeats a call until it is as it should be: Gitea looks whether a pull request
// can be merged, and closes issues, in the background.
func (s stage) until(t *testing.T, c *kittest.Client, tool, args string, into any, ready func() bool) {
	t.Helper()
	for range 100 {
		c.Must(t, tool, args, into)
		if ready() {
			return
		}
		if s.real != nil {
			<-time.After(200 * time.Millisecond) // the tape needs no time
		}
	}
	t.Fatalf("%s %s does not become what it should", tool, args)
}

// saved is what tools answer that save something.
type saved struct {
	Number, ID                  int64
	State, Commit, Branch, Name string
}

type pull struct {
	State   string
	HeadSHA string `json:"head_sha"`
	Checks  string
	Failing string `json:"not_green"`
	Files   string
	Reviews []struct {
		Author, State, Body string
		Comments            []string
	}
	Requested []string
	Mergeable bool
	Changed   int `json:"changed_files"`
}

const workflow = "on: [push, workflow_dispatch]\njobs:\n  test:\n    runs-on: nowhere\n    steps:\n      - run: make test\n"

func quoted(text string) string {
	b, _ := json.Marshal(text) // a string always encodes
	return string(b)
}

// A change goes its whole way with two people: issue, branch, one commit of three
// files, pull request, review with comments on lines, merge.
func TestStory(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ada, ben := s.client(t, giteatest.Admin), s.client(t, giteatest.User)
	var made saved
	ada.Must(t, "create_repo", `{"name":"site","description":"A site.","default_branch":"main"}`, &made)
	if made.Name != "ada/site" {
		t.Fatalf("%+v", made)
	}
	s.prepare(t, "PUT", "/repos/ada/site/collaborators/ben", `{"permission":"write"}`)
	s.prepare(t, "POST", "/repos/ada/site/labels", `{"name":"bug","color":"#ff0000"}`)
	s.prepare(t, "POST", "/repos/ada/site/labels", `{"name":"docs","color":"#00ff00"}`)
	s.prepare(t, "POST", "/repos/ada/site/milestones", `{"title":"v1"}`)

	if text := ada.Refused(t, "save_issue", `{"repo":"ada/site","title":"x","labels":["bug","bgu"]}`); !strings.Contains(text, "no label bgu") {
		t.Errorf("an unknown label: %s", text)
	}
	var issue saved
	ada.Must(t, "save_issue", `{"repo":"ada/site","title":"The guide is missing","body":"Nobody knows how.","labels":["Bug"],"milestone":"v1","assignees":["ben"]}`, &issue)
	if issue.Number != 1 {
		t.Fatalf("%+v", issue)
	}
	s.change(t, ada)
	pr := s.propose(t, ada)
	s.review(t, ben, pr)
	s.merge(t, ada, pr)
	s.run(t, ada)
	s.look(t, ada, ben)
}

// change makes a branch and a commit of three files on it.
func (s stage) change(t *testing.T, ada *kittest.Client) {
	t.Helper()
	var made saved
	ada.Must(t, "create_branch", `{"repo":"ada/site","branch":"fix/guide"}`, &made)
	if made.Branch != "fix/guide" || len(made.Commit) != 40 {
		t.Errorf("%+v", made)
	}
	guide := strings.Repeat("A line.\n", 12)
	changes := `[{"op":"update","path":"README.md","edits":[{"find":"A site.","replace":"A site with a guide.\n\nSee docs."}]},
		{"op":"create","path":"docs/guide.md","content":` + quoted(guide) + `},
		{"op":"create","path":".gitea/workflows/ci.yml","content":` + quoted(workflow) + `}]`
	if text := ada.Approving().Refused(t, "commit_files", `{"repo":"ada/site","message":"Add a guide","changes":`+changes+`}`); !strings.Contains(text, "add its sha") {
		t.Errorf("a commit to the default branch over whatever is there: %s", text)
	}
	if text := ada.Refused(t, "commit_files", `{"repo":"ada/site","message":"x","changes":[{"op":"create","path":"x","content":"x"}]}`); !strings.Contains(text, "elicitation") {
		t.Errorf("a commit to the default branch by a client that cannot be asked: %s", text)
	}
	preview := ada.Must(t, "commit_files", `{"repo":"ada/site","branch":"fix/guide","message":"Add a guide","dry_run":true,"changes":`+changes+`}`, nil)
	if !strings.Contains(preview.Text, "+A site with a guide.") || !strings.Contains(preview.Text, "-A site.") {
		t.Errorf("the preview shows no difference: %s", preview.Text)
	}
	ada.Must(t, "commit_files", `{"repo":"ada/site","branch":"fix/guide","message":"Add a guide\n\nCloses #1","changes":`+changes+`}`, &made)
	if len(made.Commit) != 40 || made.Branch != "fix/guide" {
		t.Errorf("%+v", made)
	}
	var ahead struct {
		Total   int
		Commits []struct{ SHA, Summary string }
	}
	ada.Must(t, "compare_refs", `{"repo":"ada/site","base":"main","head":"fix/guide"}`, &ahead)
	if ahead.Total != 1 || ahead.Commits[0].Summary != "ada: Add a guide" {
		t.Errorf("three files are not one commit: %+v", ahead)
	}
	if text := ada.Refused(t, "commit_files", `{"repo":"ada/site","branch":"fix/guide","message":"x","changes":[{"op":"create","path":"docs/guide.md","content":"x"}]}`); !strings.Contains(text, "there already") {
		t.Errorf("a file that exists: %s", text)
	}
}

// propose opens the pull request and gives its number.
func (s stage) propose(t *testing.T, ada *kittest.Client) int64 {
	t.Helper()
	var made saved
	ada.Must(t, "create_pull_request", `{"repo":"ada/site","title":"Add a guide","body":"Closes #1","head":"fix/guide","reviewers":["ben"]}`, &made)
	if made.Number != 2 || made.State != "open" {
		t.Fatalf("%+v", made)
	}
	if text := ada.Refused(t, "create_pull_request", `{"repo":"ada/site","title":"Again","head":"fix/guide","base":"main"}`); !strings.Contains(text, "409") && !strings.Contains(text, "open pull request") {
		t.Errorf("a second pull request for the same branches: %s", text)
	}
	return made.Number
}

// review reads the difference and comments on lines of it.
func (s stage) review(t *testing.T, ben *kittest.Client, pr int64) {
	t.Helper()
	at := fmt.Sprintf(`"repo":"ada/site","number":%d`, pr)
	var inbox struct{ Items []struct{ Why []string } }
	ben.Must(t, "get_inbox", `{"include":["reviews","assigned"]}`, &inbox)
	if len(inbox.Items) != 2 {
		t.Errorf("the inbox of the reviewer: %+v", inbox)
	}
	diff := ben.Must(t, "get_pull_request_diff", `{`+at+`}`, nil)
	if !strings.Contains(diff.Text, "+A site with a guide.") || diff.Meta["drawbridge/untrusted"] != "true" {
		t.Errorf("the difference: %s", diff.Text)
	}
	text := ben.Refused(t, "submit_review", `{`+at+`,"event":"comment","comments":[{"path":"README.md","line":99,"body":"?"},{"path":"none","line":1,"body":"?"}]}`)
	if !strings.Contains(text, "line 99 of README.md") || !strings.Contains(text, "does not change none") {
		t.Errorf("comments without a place: %s", text)
	}
	var v pull
	ben.Must(t, "get_pull_request", `{`+at+`}`, &v)
	if len(v.Reviews) != 0 || len(v.HeadSHA) != 40 || v.Changed != 3 || strings.Count(v.Files, "\n") != 2 {
		t.Errorf("a refused review left something, or the description is wrong: %+v", v)
	}
	ben.Must(t, "submit_review", `{`+at+`,"event":"request_changes","body":"Nearly.","expected_head":"`+v.HeadSHA+`","comments":[
		{"path":"docs/guide.md","line":3,"body":"Which line?"},{"path":"README.md","line":3,"old":true,"body":"Why not keep it?"}]}`, nil)
	if text := ben.Approving().Refused(t, "submit_review", `{`+at+`,"event":"approve"}`); !strings.Contains(text, "add expected_head "+v.HeadSHA) {
		t.Errorf("an approval of whatever comes: %s", text)
	}
	at += `,"expected_head":"` + v.HeadSHA + `"`
	if text := ben.Refused(t, "submit_review", `{`+at+`,"event":"approve"}`); !strings.Contains(text, "elicitation") {
		t.Errorf("an approval by a client that cannot be asked: %s", text)
	}
	ben.Approving().Must(t, "submit_review", `{`+at+`,"event":"approve","body":"Fine after all."}`, nil)
}

// merge looks at what the reviewer wrote and merges.
func (s stage) merge(t *testing.T, ada *kittest.Client, pr int64) {
	t.Helper()
	at := fmt.Sprintf(`"repo":"ada/site","number":%d`, pr)
	var v pull
	s.until(t, ada, "get_pull_request", `{`+at+`}`, &v, func() bool { return v.Mergeable })
	for i, state := range []string{"pending", "success", "success", "success", "success"} { // over more pages than one
		s.prepare(t, "POST", "/repos/ada/site/statuses/"+v.HeadSHA, fmt.Sprintf(`{"context":"check %d","state":%q}`, i, state))
	}
	if ada.Must(t, "get_pull_request", `{`+at+`}`, &v); v.Checks != "pending" || !strings.Contains(v.Failing, "check 0: pending") || strings.Contains(v.Failing, "check 1") {
		t.Errorf("the checks: %s, %q", v.Checks, v.Failing)
	}
	if text := ada.Approving().Refused(t, "submit_review", `{`+at+`,"event":"approve","expected_head":"`+v.HeadSHA+`"}`); !strings.Contains(text, "of their own") {
		t.Errorf("an approval of one's own: %s", text)
	}
	said := map[string]string{}
	for _, r := range v.Reviews {
		said[r.State] = strings.Join(r.Comments, "|")
	}
	if want := "docs/guide.md:3: Which line?"; !strings.Contains(said["request_changes"], want) || !strings.Contains(said["request_changes"], "README.md:3: Why not") {
		t.Errorf("the comments are not on their lines: %+v", v.Reviews)
	}
	if _, ok := said["approved"]; !ok {
		t.Errorf("no approval: %+v", v.Reviews)
	}
	if text := ada.Approving().Refused(t, "merge_pull_request", `{`+at+`,"expected_head":"`+strings.Repeat("0", 40)+`"}`); !strings.Contains(text, "other commits") {
		t.Errorf("another head: %s", text)
	}
	if text := ada.Approving().Refused(t, "merge_pull_request", `{`+at+`}`); !strings.Contains(text, "add expected_head "+v.HeadSHA) {
		t.Errorf("a merge of whatever comes: %s", text)
	}
	if text := ada.Refused(t, "merge_pull_request", `{`+at+`,"expected_head":"`+v.HeadSHA+`"}`); !strings.Contains(text, "elicitation") {
		t.Errorf("a merge into the default branch by a client that cannot be asked: %s", text)
	}
	var made saved
	ada.Approving().Must(t, "merge_pull_request", `{`+at+`,"style":"squash","message":"Add a guide (#2)\n\nCloses #1","delete_branch":true,"expected_head":"`+v.HeadSHA+`"}`, &made)
	if made.State != "merged" || len(made.Commit) != 40 {
		t.Errorf("%+v", made)
	}
	if text := ada.Approving().Refused(t, "merge_pull_request", `{`+at+`}`); !strings.Contains(text, "is merged") {
		t.Errorf("a second merge: %s", text)
	}
	var issue struct{ State string }
	s.until(t, ada, "get_issue", `{"repo":"ada/site","number":1}`, &issue, func() bool { return issue.State == "closed" })
	var file struct{ Content string }
	ada.Must(t, "read_file", `{"repo":"ada/site","path":"README.md"}`, &file)
	if !strings.Contains(file.Content, "A site with a guide.") {
		t.Errorf("the default branch has %q", file.Content)
	}
}

// run starts the workflow by hand and looks at its runs. There is no runner, so that
// nothing ever starts.
func (s stage) run(t *testing.T, ada *kittest.Client) {
	t.Helper()
	var made struct {
		Started bool
		Run     int64
	}
	ada.Approving().Must(t, "run_workflow", `{"repo":"ada/site","workflow":"ci.yml"}`, &made)
	if !made.Started || made.Run == 0 {
		t.Errorf("%+v", made)
	}
	var runs struct {
		Total int
		Runs  []struct {
			ID                      int64
			Workflow, Status, Event string
		}
	}
	ada.Must(t, "list_workflow_runs", `{"repo":"ada/site"}`, &runs)
	if runs.Total < 2 || runs.Runs[0].ID != made.Run || runs.Runs[0].Event != "workflow_dispatch" || runs.Runs[0].Workflow != "ci.yml" {
		t.Errorf("%+v", runs)
	}
	var run struct {
		Status string
		Jobs   []struct {
			ID           int64
			Name, Status string
		}
	}
	ada.Must(t, "get_run", fmt.Sprintf(`{"repo":"ada/site","id":%d}`, made.Run), &run)
	if len(run.Jobs) != 1 || run.Jobs[0].Name != "test" || run.Jobs[0].Status != "waiting" {
		t.Fatalf("%+v", run)
	}
	if text := ada.Refused(t, "get_job_log", fmt.Sprintf(`{"repo":"ada/site","job":%d}`, run.Jobs[0].ID)); !strings.Contains(text, "a log of job") {
		t.Errorf("the log of a job that never started: %s", text)
	}
}

// look uses the tools that only read, over more pages than one.
func (s stage) look(t *testing.T, ada, ben *kittest.Client) {
	t.Helper()
	for i := range 4 {
		ben.Must(t, "add_comment", fmt.Sprintf(`{"repo":"ada/site","number":1,"body":"Comment %d"}`, i), nil)
		ada.Must(t, "save_issue", fmt.Sprintf(`{"repo":"ada/site","title":"Issue number %d","labels":["docs"]}`, i), nil)
	}
	var found struct {
		Total  int
		Next   string `json:"next_cursor"`
		Issues []struct {
			Number int64
			Title  string
		}
	}
	ada.Must(t, "search_issues", `{"repo":"ada/site","type":"issues","state":"all"}`, &found)
	if found.Total != 5 || len(found.Issues) != 5 || found.Next != "" {
		t.Errorf("five issues over pages of %d: %+v", giteatest.PageCap, found)
	}
	ada.Must(t, "search_issues", `{"repo":"ada/site","type":"issues","state":"all","limit":2}`, &found)
	seen := len(found.Issues)
	for found.Next != "" {
		cursor := found.Next
		found.Next = ""
		ada.Must(t, "search_issues", `{"repo":"ada/site","type":"issues","state":"all","limit":2,"cursor":"`+cursor+`"}`, &found)
		seen += len(found.Issues)
	}
	if seen != 5 {
		t.Errorf("by twos %d issues were seen", seen)
	}
	var thread struct{ Comments []struct{ Body string } }
	ada.Must(t, "get_issue", `{"repo":"ada/site","number":1}`, &thread)
	if len(thread.Comments) != 4 || thread.Comments[3].Body != "Comment 3" {
		t.Errorf("%+v", thread)
	}
	var files struct {
		Total int
		Files string
	}
	ada.Must(t, "list_files", `{"repo":"ada/site","recursive":true}`, &files)
	if files.Total != 6 || strings.Count(files.Files, "\n") != 5 { // three files and three folders
		t.Errorf("%+v", files)
	}
	ada.Must(t, "list_files", `{"repo":"ada/site","recursive":true,"path":".gitea"}`, &files)
	if !strings.HasPrefix(files.Files, ".gitea/workflows/\n.gitea/workflows/ci.yml ") {
		t.Errorf("%+v", files)
	}
	ada.Must(t, "list_commits", `{"repo":"ada/site","path":"docs/guide.md"}`, nil)
	if r := ada.Must(t, "get_commit", `{"repo":"ada/site","sha":"main","diff":true}`, nil); !strings.Contains(r.Text, "+A line.") {
		t.Errorf("%s", r.Text)
	}
	ada.Must(t, "save_release", `{"repo":"ada/site","tag":"v1.0.0","name":"First","target":"main"}`, nil)
	if r := ben.Must(t, "list_releases", `{"repo":"ada/site"}`, nil); !strings.Contains(r.Text, "v1.0.0") {
		t.Errorf("%s", r.Text)
	}
	if r := ben.Must(t, "get_repo", `{"repo":"ada/site","include":["readme","labels","branches","milestones"]}`, nil); !strings.Contains(r.Text, "A site with a guide.") || !strings.Contains(r.Text, `"write"`) {
		t.Errorf("%s", r.Text)
	}
	if r := ben.Must(t, "search_repos", `{"owner":"ada"}`, nil); !strings.Contains(r.Text, "ada/site") {
		t.Errorf("%s", r.Text)
	}
	ada.Must(t, "create_branch", `{"repo":"ada/site","branch":"old/guide"}`, nil)
	ada.Approving().Must(t, "delete_branch", `{"repo":"ada/site","branch":"old/guide"}`, nil)
	if text := ada.Approving().Refused(t, "delete_branch", `{"repo":"ada/site","branch":"old/guide"}`); !strings.Contains(text, "404") {
		t.Errorf("a branch that is deleted: %s", text)
	}
	if text := ben.Approving().Refused(t, "manage_repo", `{"repo":"ada/site","action":"delete","confirm_name":"ada/site"}`); !strings.Contains(text, "403") {
		t.Errorf("ben deleted what is not his: %s", text)
	}
}
