package forgejo_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/forgejo"
	"drawbridge/internal/servers/forgejo/fake"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// at opens the server on a fake, for callers with tokens of their own.
func at(t *testing.T, f *fake.Server, settings map[string]string) *kit.Server {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	all := map[string]string{"url": srv.URL}
	maps.Copy(all, settings)
	s := kittest.Suite{Settings: all, New: func(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
		deps.Credentials = own{"ada": fake.AdaToken, "ben": fake.BenToken, "eve": fake.EveToken, "reader": fake.ReadToken, "stranger": "wrong"}
		return kittest.Opens(forgejo.ReadConfig, forgejo.New)(set, deps)
	}}
	opened, _ := s.Open(t, nil, true)
	return opened
}

func ada(t *testing.T, f *fake.Server) *kittest.Client {
	t.Helper()
	return kittest.NewClient(at(t, f, nil), "ada").Approving()
}

type runs struct {
	Runs []struct {
		ID                              int64
		Workflow, Status, Event, Branch string
	}
}

// Every version tells runs and jobs; logs are where the version has them, and where it
// has none the answer says so before anything is asked for.
func TestVersions_actions(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		profile fake.Profile
		logs    bool
	}{{fake.Forgejo15, false}, {fake.Forgejo16, true}, {fake.Gitea126, true}} {
		t.Run(fmt.Sprint(v.profile), func(t *testing.T) {
			t.Parallel()
			f := forge(t, fake.Options{Profile: v.profile})
			c := ada(t, f)
			var found runs
			c.Must(t, "list_workflow_runs", `{"repo":"ada/tower","status":"failure"}`, &found)
			if len(found.Runs) != 1 || found.Runs[0].Status != "failure" || found.Runs[0].Workflow != "ci.yml" || found.Runs[0].Event != "pull_request" {
				t.Fatalf("%+v", found)
			}
			var run struct {
				Jobs []struct {
					ID           int64
					Name, Status string
				}
			}
			c.Must(t, "get_run", fmt.Sprintf(`{"repo":"ada/tower","id":%d}`, found.Runs[0].ID), &run)
			if len(run.Jobs) == 0 || run.Jobs[0].Name != "test" || run.Jobs[0].Status != "failure" || (run.Jobs[0].ID != 0) != v.logs {
				t.Fatalf("%+v", run)
			}
			var green runs
			c.Must(t, "list_workflow_runs", `{"repo":"ada/tower","status":"success"}`, &green)
			var other struct{ Jobs []struct{ Status string } }
			c.Must(t, "get_run", fmt.Sprintf(`{"repo":"ada/tower","id":%d}`, green.Runs[0].ID), &other)
			if len(other.Jobs) != 1 || other.Jobs[0].Status != "success" {
				t.Errorf("jobs of another run are among these: %+v", other)
			}
			if !v.logs {
				before := len(f.Requests())
				if text := c.Refused(t, "get_job_log", `{"repo":"ada/tower","job":1}`); !strings.Contains(text, "Forgejo 15.0.2 has no API for logs") {
					t.Errorf("%s", text)
				}
				if len(f.Requests()) != before {
					t.Error("a log was asked for where there is no API for logs")
				}
				return
			}
			log := fmt.Sprintf(`"repo":"ada/tower","job":%d`, run.Jobs[0].ID)
			if r := c.Must(t, "get_job_log", `{`+log+`,"tail":2}`, nil); !strings.Contains(r.Text, "--- FAIL: TestFloors") || !strings.Contains(r.Text, "line 120\n") || strings.Contains(r.Text, "line 119\n") {
				t.Errorf("the last two lines: %s", r.Text)
			}
			if r := c.Must(t, "get_job_log", `{`+log+`,"grep":"FLOORS"}`, nil); !strings.Contains(r.Text, "1 lines have the text") || !strings.Contains(r.Text, "121: --- FAIL") {
				t.Errorf("lines with a text: %s", r.Text)
			}
			if r := c.Must(t, "get_job_log", `{`+log+`,"offset":0}`, nil); !strings.Contains(r.Text, "step line 1\n") || !strings.Contains(r.Text, "Bytes 0 to ") {
				t.Errorf("the beginning: %s", r.Text)
			}
		})
	}
}

// The same change goes through every version: branch, commit, pull request, review.
func TestVersions_change(t *testing.T) {
	t.Parallel()
	for _, profile := range []fake.Profile{fake.Forgejo15, fake.Forgejo16, fake.Gitea126} {
		t.Run(fmt.Sprint(profile), func(t *testing.T) {
			t.Parallel()
			f := forge(t, fake.Options{Profile: profile})
			c := ada(t, f)
			c.Must(t, "commit_files", `{"repo":"ada/tower","new_branch":"paint","message":"Paint","changes":[
				{"op":"update","path":"README.md","edits":[{"find":"A tall tower.","replace":"A red tower."}]},
				{"op":"rename","from_path":"docs/plan.md","path":"plan.md"},{"op":"create","path":"paint/red.txt","content":"red\n"}]}`, nil)
			var made saved
			c.Must(t, "create_pull_request", `{"repo":"ada/tower","title":"Paint it","head":"paint","draft":true}`, &made)
			var p pull
			c.Must(t, "get_pull_request", fmt.Sprintf(`{"repo":"ada/tower","number":%d}`, made.Number), &p)
			for _, want := range []string{"README.md", "plan.md", "paint/red.txt"} {
				if !strings.Contains(p.Files, want) {
					t.Errorf("%s is not in the commit: %s", want, p.Files)
				}
			}
			if p.State != "draft" {
				t.Errorf("the state is %s", p.State)
			}
			var file struct{ Content string }
			c.Must(t, "read_file", `{"repo":"ada/tower","path":"plan.md","ref":"paint"}`, &file)
			if file.Content != "# plan\n" {
				t.Errorf("a rename changed the content to %q", file.Content)
			}
			c.Refused(t, "read_file", `{"repo":"ada/tower","path":"docs/plan.md","ref":"paint"}`)
			for _, r := range f.Requests() {
				if len(r.Ignored) > 0 && r.Path != "/api/v1/repos/ada/tower/actions/workflows" {
					t.Errorf("%s %s sent members that the API does not know: %v", r.Method, r.Path, r.Ignored)
				}
			}
		})
	}
}

// The installation gives no more rows than its cap, whatever is asked for, and says
// nothing of it. Nothing is missed and nothing is told twice.
func TestPaging_silentCap(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{false, true} { // true: it does not even tell its cap
		t.Run(fmt.Sprint("silent ", silent), func(t *testing.T) {
			t.Parallel()
			f := forge(t, fake.Options{MaxItems: 4})
			if silent {
				f.Break(fake.Fault{Path: "/api/v1/settings/api", Status: http.StatusNotFound})
			}
			c := ada(t, f)
			for i := range 15 { // 19 with those of the seed, so that the last page by fives looks as a capped one does
				c.Must(t, "save_issue", fmt.Sprintf(`{"repo":"ada/tower","title":"Stone %d"}`, i), nil)
			}
			for _, limit := range []int{100, 20, 5, 3} {
				seen, cursor := map[int64]bool{}, ""
				for {
					var page struct {
						Total  int
						Next   string `json:"next_cursor"`
						Issues []struct{ Number int64 }
					}
					c.Must(t, "search_issues", fmt.Sprintf(`{"repo":"ada/tower","state":"all","limit":%d,"cursor":%q}`, limit, cursor), &page)
					for _, i := range page.Issues {
						if seen[i.Number] {
							t.Errorf("limit %d: number %d came twice", limit, i.Number)
						}
						seen[i.Number] = true
					}
					if page.Total != 19 {
						t.Errorf("limit %d: the total is %d", limit, page.Total)
					}
					if cursor = page.Next; cursor == "" {
						break
					}
				}
				if len(seen) != 19 {
					t.Errorf("limit %d: %d of 19 were seen", limit, len(seen))
				}
			}
		})
	}
}

// Everybody sees what their own token sees, and a token that lacks something is told
// what by name.
func TestCredentials(t *testing.T) {
	t.Parallel()
	f := forge(t, fake.Options{Profile: fake.Forgejo16})
	srv := at(t, f, nil)
	client := func(user string) *kittest.Client { return kittest.NewClient(srv, user).Approving() }
	client("ada").Must(t, "get_repo", `{"repo":"ada/vault"}`, nil)
	for _, c := range []struct{ user, tool, args, want string }{
		{"ben", "get_repo", `{"repo":"ada/vault"}`, "404"},
		{"stranger", "get_repo", `{"repo":"ada/tower"}`, "401"},
		{"reader", "save_issue", `{"repo":"ada/tower","title":"x"}`, "write:issue"},
		{"nobody", "get_repo", `{"repo":"ada/tower"}`, "You have no credential"},
		{"ada", "save_issue", `{"repo":"ada/attic","title":"x"}`, "archived"},
	} {
		if text := client(c.user).Refused(t, c.tool, c.args); !strings.Contains(text, c.want) {
			t.Errorf("%s: %s %s: %s", c.user, c.tool, c.args, text)
		}
	}
	for _, r := range f.Requests() {
		if r.User == "" && r.Status < 400 {
			t.Errorf("%s %s went without a token", r.Method, r.Path)
		}
	}
}

// What the operator's lists leave out is neither touched nor shown, by tools, prompts
// and resources alike, and nothing is asked about it.
func TestRepos(t *testing.T) {
	t.Parallel()
	f := forge(t, fake.Options{Profile: fake.Forgejo16})
	c := kittest.NewClient(at(t, f, map[string]string{"repos": "ada/*", "repos_deny": "ada/vault"}), "ada").Approving()
	if r := c.Must(t, "search_repos", `{}`, nil); strings.Contains(r.Text, "acme/docs") || strings.Contains(r.Text, "ada/vault") || !strings.Contains(r.Text, "ada/tower") {
		t.Errorf("%s", r.Text)
	}
	before := len(f.Requests())
	for _, call := range []struct{ tool, args string }{
		{"get_repo", `{"repo":"acme/docs"}`}, {"read_file", `{"repo":"ADA/vault","path":"README.md"}`},
		{"manage_repo", `{"repo":"ada/vault","action":"archive"}`}, {"create_repo", `{"owner":"acme","name":"new"}`}, {"create_repo", `{"fork_of":"acme/docs"}`},
	} {
		if text := c.Refused(t, call.tool, call.args); !strings.Contains(text, "FORGEJO_REPOS") {
			t.Errorf("%s %s: %s", call.tool, call.args, text)
		}
	}
	for _, ask := range []struct{ method, params string }{
		{mcpwire.MethodResourcesRead, `{"uri":"forgejo://acme/docs/blob/main/index.md"}`},
		{mcpwire.MethodPromptsGet, `{"name":"triage_issues","arguments":{"repo":"acme/docs"}}`},
	} {
		if _, werr := c.Serve(t.Context(), t, ask.method, ask.params); werr == nil {
			t.Errorf("%s %s was served", ask.method, ask.params)
		}
	}
	if len(f.Requests()) != before {
		t.Error("something was asked about a repository that is left out")
	}
}

// A commit holds what it read: where somebody was faster, nothing is overwritten.
func TestCommit_race(t *testing.T) {
	t.Parallel()
	f := forge(t, fake.Options{Profile: fake.Forgejo16})
	c := ada(t, f)
	var file struct{ SHA string }
	c.Must(t, "read_file", `{"repo":"ada/tower","path":"README.md"}`, &file)
	c.Must(t, "commit_files", `{"repo":"ada/tower","message":"first","changes":[{"op":"update","path":"README.md","content":"first\n","sha":"`+file.SHA+`"}]}`, nil)
	if text := c.Refused(t, "commit_files", `{"repo":"ada/tower","message":"second","changes":[{"op":"update","path":"README.md","content":"second\n","sha":"`+file.SHA+`"}]}`); !strings.Contains(text, "changed since it was read") {
		t.Errorf("%s", text)
	}
	sent := 0
	for _, r := range f.Requests() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/contents") {
			if sent++; !strings.Contains(r.Body, `"sha":"`+file.SHA) {
				t.Errorf("a commit without the sha of what it changes: %s", r.Body)
			}
		}
	}
	if sent != 1 {
		t.Errorf("%d commits were sent", sent)
	}
}

// What changes is never sent twice, whatever becomes of its answer.
func TestCommit_lostAnswer(t *testing.T) {
	t.Parallel()
	f := forge(t, fake.Options{Profile: fake.Forgejo16})
	c := ada(t, f)
	f.Break(fake.Fault{Method: http.MethodPost, Path: "/api/v1/repos/ada/tower/issues", Drop: true, Late: true})
	if text := c.Refused(t, "save_issue", `{"repo":"ada/tower","title":"Once"}`); !strings.Contains(text, "look whether it has happened") {
		t.Errorf("%s", text)
	}
	f.Mend()
	if r := c.Must(t, "search_issues", `{"repo":"ada/tower","query":"Once"}`, nil); strings.Count(r.Text, "Once") != 1 {
		t.Errorf("%s", r.Text)
	}
}

// Two people at once: the second approval of a change that went on is refused by its
// head, not merged.
func TestMerge_movedHead(t *testing.T) {
	t.Parallel()
	f := forge(t, fake.Options{Profile: fake.Forgejo16})
	srv := at(t, f, nil)
	ben := kittest.NewClient(srv, "ben").Approving()
	moved := false
	c := kittest.NewClient(srv, "ada").With(mcpwire.LatestModern, func(string) string {
		if !moved { // while the person reads, Ben pushes
			moved = true
			ben.Must(t, "commit_files", `{"repo":"ada/tower","branch":"higher","message":"more","changes":[{"op":"create","path":"more.md","content":"x"}]}`, nil)
		}
		return kittest.Approves("")
	})
	var p pull
	c.Must(t, "get_pull_request", `{"repo":"ada/tower","number":3}`, &p)
	text := c.Refused(t, "merge_pull_request", `{"repo":"ada/tower","number":3,"expected_head":"`+p.HeadSHA+`"}`)
	if !moved || !strings.Contains(text, "other commits by now") {
		t.Errorf("%s", text)
	}
}

// A merge into a branch that is not the default one asks nobody, unless a check is not
// green; the check may stand on any page.
func TestMerge_checks(t *testing.T) {
	t.Parallel()
	f := forge(t, fake.Options{Profile: fake.Forgejo16, MaxItems: 3})
	srv := at(t, f, nil)
	c := kittest.NewClient(srv, "ada")
	c.Must(t, "create_branch", `{"repo":"ada/tower","branch":"next"}`, nil)
	for i, last := range []string{"success", "failure"} {
		c.Must(t, "commit_files", fmt.Sprintf(`{"repo":"ada/tower","branch":"next","new_branch":"work%d","message":"m","changes":[{"op":"create","path":"work%d","content":"x"}]}`, i, i), nil)
		var made saved
		c.Must(t, "create_pull_request", fmt.Sprintf(`{"repo":"ada/tower","title":"work","head":"work%d","base":"next"}`, i), &made)
		number := fmt.Sprintf(`"repo":"ada/tower","number":%d`, made.Number)
		var p pull
		c.Must(t, "get_pull_request", `{`+number+`}`, &p)
		for n, state := range []string{last, "success", "success", "success", "success", "success", "success"} {
			check(t, f, p.HeadSHA, fmt.Sprintf("check %d", n), state)
		}
		if last == "success" {
			c.Must(t, "merge_pull_request", `{`+number+`}`, nil)
			continue
		}
		if text := c.Refused(t, "merge_pull_request", `{`+number+`,"expected_head":"`+p.HeadSHA+`"}`); !strings.Contains(text, "elicitation") {
			t.Errorf("%s", text)
		}
		if c.Must(t, "get_pull_request", `{`+number+`}`, &p); p.Checks != "failure" || p.Failing != "check 0: failure" || p.State != "open" {
			t.Errorf("%+v", p)
		}
	}
}

// Undo takes back what save_issue has done.
func TestSaveIssue_undo(t *testing.T) {
	t.Parallel()
	c := ada(t, forge(t, fake.Options{Profile: fake.Forgejo15}))
	before := c.Must(t, "get_issue", `{"repo":"ada/tower","number":1}`, nil)
	var done struct {
		Undo struct {
			Tool      string
			Arguments json.RawMessage
		}
	}
	c.Must(t, "save_issue", `{"repo":"ada/tower","number":1,"title":"Quiet","body":"","labels":[],"milestone":"","assignees":["ben"],"state":"closed"}`, &done)
	var changed struct {
		Title, State, Labels, Milestone string
		Assignees                       []string
	}
	c.Must(t, "get_issue", `{"repo":"ada/tower","number":1}`, &changed)
	if changed.Title != "Quiet" || changed.State != "closed" || changed.Labels != "" || changed.Milestone != "" || changed.Assignees[0] != "ben" {
		t.Errorf("%+v", changed)
	}
	c.Must(t, done.Undo.Tool, string(done.Undo.Arguments), nil)
	after := c.Must(t, "get_issue", `{"repo":"ada/tower","number":1}`, nil)
	if strip(before.Structured) != strip(after.Structured) {
		t.Errorf("before\n%s\nafter\n%s", before.Structured, after.Structured)
	}
}

// strip is a structured result without the time of the last change.
func strip(raw []byte) string {
	return regexp.MustCompile(`"updated":"[^"]*"`).ReplaceAllString(string(raw), "")
}
