package fake_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/forgejo/fake"
)

// field walks into nested objects: "head.sha".
func field(o any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		m, _ := o.(map[string]any)
		o = m[name]
	}
	return o
}

func number(v any) int64 { n, _ := v.(float64); return int64(n) }

// The way of a change: issue, branch, one commit of three files, pull request, review
// with inline comments, merge.
func TestJourney(t *testing.T) {
	t.Parallel()
	for name, profile := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, fake.Options{Profile: profile})
			issue := s.must(201, "POST", tower+"/issues", fake.BenToken, `{"title":"No roof","labels":[]}`).obj()
			s.must(201, "POST", tower+"/branches", fake.BenToken, `{"new_branch_name":"roof","old_ref_name":"main"}`)
			readme := field(s.must(200, "GET", tower+"/contents/README.md", fake.BenToken, "").body, "sha")
			before := len(s.must(200, "GET", tower+"/commits?sha=roof", "", "").list())
			made := s.must(201, "POST", tower+"/contents", fake.BenToken, fmt.Sprintf(`{"branch":"roof","message":"add a roof","files":[
				{"operation":"create","path":"roof.go","content":%q},
				{"operation":"update","path":"README.md","content":%q,"sha":%q},
				{"operation":"rename","path":"docs/old.md","from_path":"docs/plan.md"}]}`, b64("package tower\n"), b64("# tower\n\nWith a roof.\n"), readme))
			if n := len(made.obj()["files"].([]any)); n != 3 {
				t.Errorf("%d files, want 3", n)
			}
			if after := len(s.must(200, "GET", tower+"/commits?sha=roof", "", "").list()); after != before+1 {
				t.Errorf("%d commits more, want 1 for three files", after-before)
			}
			pr := s.must(201, "POST", tower+"/pulls", fake.BenToken, `{"title":"Roof","head":"roof","base":"main","body":"Closes #5"}`).obj()
			if number(pr["number"]) != number(issue["number"])+1 || pr["mergeable"] != true || number(pr["changed_files"]) != 3 {
				t.Errorf("pull request %v, mergeable %v, files %v; want the next number, true, 3", pr["number"], pr["mergeable"], pr["changed_files"])
			}
			at := fmt.Sprintf("%s/pulls/%d", tower, number(pr["number"]))
			reviewed(t, s, at)
			merged(t, s, at, fmt.Sprintf("%v", field(pr, "head.sha")))
		})
	}
}

func reviewed(t *testing.T, s *site, at string) {
	t.Helper()
	diff := s.must(200, "GET", at+".diff", "", "")
	if !strings.Contains(diff.text, "\n-A tall tower.\n+With a roof.\n") || !strings.HasPrefix(diff.header.Get("Content-Type"), "text/plain") {
		t.Errorf("diff:\n%s", diff.text)
	}
	if patch := s.must(200, "GET", at+".patch", "", "").text; !strings.Contains(patch, "Subject: [PATCH] add a roof\n") {
		t.Errorf("patch:\n%s", patch)
	}
	var files []string
	for _, f := range s.must(200, "GET", at+"/files", "", "").list() {
		files = append(files, fmt.Sprint(field(f, "status"), " ", field(f, "filename"), " ", field(f, "previous_filename")))
	}
	if d := cmp.Diff([]string{"changed README.md <nil>", "renamed docs/old.md docs/plan.md", "added roof.go <nil>"}, files); d != "" {
		t.Error(d)
	}
	// A remark beyond the end of the file breaks the review, and what came before it stays.
	s.must(500, "POST", at+"/reviews", fake.AdaToken, `{"event":"APPROVED","comments":[{"path":"README.md","body":"really?","new_position":3},{"path":"README.md","body":"lost","new_position":4}]}`)
	pending := s.must(200, "GET", at+"/reviews", fake.AdaToken, "").list()
	if len(pending) != 1 || field(pending[0], "state") != "PENDING" || number(field(pending[0], "comments_count")) != 1 {
		t.Errorf("left behind: %v", pending)
	}
	if n := len(s.must(200, "GET", at+"/reviews", fake.BenToken, "").list()); n != 0 {
		t.Errorf("others see %d pending reviews", n)
	}
	review := s.must(200, "POST", at+"/reviews", fake.AdaToken, `{"event":"APPROVED","body":"good","comments":[
		{"path":"README.md","body":"a pity","old_position":3},{"path":"tower.go","body":"elsewhere","new_position":2}]}`).obj()
	if review["state"] != "APPROVED" || number(review["comments_count"]) != 3 || review["official"] != true {
		t.Errorf("review: %v", review)
	}
	var said [][4]any
	for _, r := range s.must(200, "GET", fmt.Sprintf("%s/reviews/%d/comments", at, number(review["id"])), "", "").list() {
		hunk := strings.Split(fmt.Sprint(field(r, "diff_hunk")), "\n")
		said = append(said, [4]any{field(r, "body"), field(r, "position"), field(r, "original_position"), hunk[len(hunk)-1]})
	}
	want := [][4]any{{"really?", 3.0, 0.0, "+With a roof."}, {"a pity", 0.0, 3.0, "-A tall tower."}, {"elsewhere", 2.0, 0.0, ""}}
	if d := cmp.Diff(want, said); d != "" {
		t.Error(d)
	}
}

func merged(t *testing.T, s *site, at, head string) {
	t.Helper()
	s.must(404, "GET", at+"/merge", fake.AdaToken, "")
	a := s.must(200, "POST", at+"/merge", fake.AdaToken, `{"Do":"merge","head_commit_id":"`+head+`","delete_branch_after_merge":true,"MergeTitleField":"Roof on"}`)
	if a.text != "" {
		t.Errorf("a merge answered %q, want nothing", a.text)
	}
	s.must(204, "GET", at+"/merge", fake.AdaToken, "")
	s.must(404, "GET", tower+"/branches/roof", "", "")
	pr := s.must(200, "GET", at, "", "").obj()
	tip := s.must(200, "GET", tower+"/commits?limit=1", "", "").list()[0]
	if pr["state"] != "closed" || pr["merged"] != true || pr["merge_commit_sha"] != field(tip, "sha") || len(field(tip, "parents").([]any)) != 2 || field(tip, "commit.message") != "Roof on\n" {
		t.Errorf("after the merge: %v %v, tip %v", pr["state"], pr["merged"], tip)
	}
	if text := s.must(200, "GET", tower+"/raw/README.md", "", "").text; text != "# tower\n\nWith a roof.\n" {
		t.Errorf("README is %q", text)
	}
	again := s.must(405, "POST", at+"/merge", fake.AdaToken, `{"Do":"merge"}`)
	s.must(412, "PATCH", at, fake.AdaToken, `{"state":"open"}`)
	if version := field(s.must(200, "GET", "/api/v1/version", "", "").body, "version"); strings.Contains(version.(string), "gitea") == (again.message() != "") {
		t.Errorf("merging twice says %q on %s: only Gitea tells the reason", again.message(), version)
	}
}

func TestMerge_styles(t *testing.T) {
	t.Parallel()
	for style, want := range map[string][2]string{ // title of the tip, and whose first parent it is
		"squash": {"Build higher (#3)", "say more"}, "rebase": {"build higher", "say more"}, "rebase-merge": {"Merge pull request", "say more"}, "merge": {"Merge pull request", "say more"},
	} {
		s := start(t, fake.Options{})
		s.must(200, "POST", tower+"/pulls/3/merge", fake.BenToken, `{"Do":"`+style+`"}`)
		log := s.must(200, "GET", tower+"/commits", "", "").list()
		parent := s.must(200, "GET", tower+"/git/commits/"+field(log[0].(map[string]any)["parents"].([]any)[0], "sha").(string), "", "")
		if got := field(log[0], "commit.message").(string); !strings.HasPrefix(got, want[0]) || !strings.HasPrefix(field(parent.body, "commit.message").(string), want[1]) {
			t.Errorf("%s: tip %q on %v", style, got, field(parent.body, "commit.message"))
		}
		if code := s.must(200, "GET", tower+"/raw/tower.go", "", "").text; !strings.Contains(code, "Height = 40") {
			t.Errorf("%s lost the change", style)
		}
	}
	s := start(t, fake.Options{})
	s.must(200, "POST", tower+"/pulls/3/update", fake.BenToken, "")
	s.must(409, "POST", tower+"/pulls/4/update", fake.BenToken, "")
	s.must(200, "POST", tower+"/pulls/3/merge", fake.BenToken, `{"do":"fast-forward-only"}`)
}

func TestMerge_protectedBranch(t *testing.T) {
	t.Parallel()
	seed := fake.Example()
	seed.Repos[0].Protected = map[string]fake.Protection{"main": {Approvals: 1, Checks: []string{"ci"}}}
	for name, profile := range profiles {
		s := start(t, fake.Options{Profile: profile, Seed: seed})
		merge := func(status int, why, body string) {
			t.Helper()
			if a := s.must(status, "POST", tower+"/pulls/3/merge", fake.BenToken, body); !strings.Contains(a.message(), why) {
				t.Errorf("%s: %s, want %q", name, a.text, why)
			}
		}
		s.must(403, "POST", tower+"/contents/x", fake.AdaToken, `{"content":""}`)
		s.must(201, "POST", tower+"/contents/x", fake.AdaToken, `{"content":"","new_branch":"aside"}`)
		s.must(403, "DELETE", tower+"/branches/main", fake.AdaToken, "")
		merge(405, "Not all required status checks successful", `{"Do":"merge"}`)
		merge(201, "", `{"Do":"merge","merge_when_checks_succeed":true}`)
		merge(409, "already scheduled", `{"Do":"merge","merge_when_checks_succeed":true}`)
		head := field(s.must(200, "GET", tower+"/branches/higher", "", "").body, "commit.id").(string)
		s.must(201, "POST", tower+"/statuses/"+head, fake.BenToken, `{"state":"success","context":"ci"}`)
		merge(405, "Does not have enough approvals", `{"Do":"merge"}`)
		s.must(200, "POST", tower+"/pulls/3/reviews", fake.AdaToken, `{"event":"REQUEST_CHANGES","body":"no"}`)
		merge(405, "Does not have enough approvals", `{"Do":"merge"}`)
		s.must(200, "POST", tower+"/pulls/3/reviews", fake.AdaToken, `{"event":"APPROVED"}`)
		s.must(201, "PATCH", tower+"/pulls/3", fake.BenToken, `{"title":"WIP: higher"}`)
		merge(405, "Work in progress PRs cannot be merged", `{"Do":"merge"}`)
		s.must(201, "PATCH", tower+"/pulls/3", fake.BenToken, `{"title":"Higher"}`)
		merge(200, "", `{"Do":"merge"}`)
	}
}

// While the real ones look for conflicts, merging is refused with the same words.
func TestMerge_whileChecking(t *testing.T) {
	t.Parallel()
	s := start(t, fake.Options{Checking: 2})
	mergeable := func() any { return s.must(200, "GET", tower+"/pulls/3", fake.AdaToken, "").obj()["mergeable"] }
	if got := []any{mergeable(), s.must(405, "POST", tower+"/pulls/3/merge", fake.AdaToken, `{"Do":"merge"}`).message(), mergeable()}; !cmp.Equal(got, []any{false, "Please try again later", true}) {
		t.Errorf("%v, want it refused until it was checked", got)
	}
	s.must(201, "POST", tower+"/contents/new", fake.AdaToken, `{"content":"","branch":"higher"}`)
	if got := []any{mergeable(), mergeable(), mergeable()}; !cmp.Equal(got, []any{false, false, true}) {
		t.Errorf("%v, want it checked again after a push", got)
	}
	s.must(200, "POST", tower+"/pulls/3/merge", fake.AdaToken, `{"Do":"merge"}`)
}

func TestPulls_acrossForks(t *testing.T) {
	t.Parallel()
	s := start(t, fake.Options{})
	s.must(202, "POST", tower+"/forks", fake.EveToken, `{}`)
	s.must(409, "POST", tower+"/forks", fake.EveToken, `{}`)
	s.must(201, "POST", "/api/v1/repos/eve/tower/contents/eve.md", fake.EveToken, `{"content":"`+b64("hi\n")+`","new_branch":"hello"}`)
	s.must(404, "GET", tower+"/branches/hello", "", "")
	pr := s.must(201, "POST", tower+"/pulls", fake.EveToken, `{"title":"Hello","head":"eve:hello","base":"main"}`).obj()
	if field(pr, "head.repo.full_name") != "eve/tower" || number(pr["additions"]) != 1 {
		t.Errorf("head is %v with %v lines", field(pr, "head.repo.full_name"), pr["additions"])
	}
	if cmpd := s.must(200, "GET", tower+"/compare/main...eve:hello", "", "").obj(); number(cmpd["total_commits"]) != 1 {
		t.Errorf("compare: %v", cmpd["total_commits"])
	}
	at := fmt.Sprintf("%s/pulls/%d", tower, number(pr["number"]))
	s.must(201, "POST", "/api/v1/repos/eve/tower/contents/more.md", fake.EveToken, `{"content":"","branch":"hello"}`)
	if files := s.must(200, "GET", at+"/files", "", "").list(); len(files) != 2 {
		t.Errorf("%d files, want what was pushed later, too", len(files))
	}
	s.must(200, "POST", at+"/merge", fake.AdaToken, `{"Do":"squash"}`)
	s.must(200, "GET", tower+"/contents/eve.md", "", "")
}

func TestContents(t *testing.T) {
	t.Parallel()
	s := start(t, fake.Options{})
	a := s.must(201, "POST", tower+"/contents/hello.txt", fake.AdaToken, `{"content":"`+b64("hello\n")+`"}`)
	if sha := field(a.body, "content.sha"); sha != "ce013625030ba8dba906f756967f9e9ca394464a" {
		t.Errorf("sha %v is not what git says", sha)
	}
	// All or nothing: the second operation fails, the first leaves no trace.
	s.must(404, "POST", tower+"/contents", fake.AdaToken, `{"files":[{"operation":"create","path":"one"},{"operation":"update","path":"none","content":""}]}`)
	s.must(404, "GET", tower+"/contents/one", fake.AdaToken, "")
	raw := s.must(200, "GET", tower+"/raw/hello.txt", "", "")
	r := s.request("GET", tower+"/raw/hello.txt", "", "")
	r.Header.Set("If-None-Match", raw.header.Get("Etag"))
	if again, _ := s.send(r); again.status != http.StatusNotModified || again.text != "" {
		t.Errorf("conditional request: %d %q", again.status, again.text)
	}
	tree := s.must(200, "GET", tower+"/git/trees/main?recursive=1&per_page=2&page=2", "", "").obj()
	if len(tree["tree"].([]any)) != 2 || tree["truncated"] != true || number(tree["page"]) != 2 {
		t.Errorf("tree: %v", tree)
	}
	log := s.must(200, "GET", tower+"/commits?path=hello.txt&stat=false&files=false", "", "").list()
	if len(log) != 1 || field(log[0], "files") != nil || field(log[0], "stats") != nil {
		t.Errorf("commits of one file: %v", log)
	}
	s.must(201, "POST", "/api/v1/user/repos", fake.AdaToken, `{"name":"bare"}`)
	s.must(409, "GET", "/api/v1/repos/ada/bare/commits", fake.AdaToken, "")
	s.must(201, "POST", "/api/v1/repos/ada/bare/contents/first", fake.AdaToken, `{"content":""}`)
	s.must(200, "GET", "/api/v1/repos/ada/bare/commits", fake.AdaToken, "")
}

func TestIssues_listsAndLabels(t *testing.T) {
	t.Parallel()
	s := start(t, fake.Options{})
	count := func(path, token string) int { return len(s.must(200, "GET", path, token, "").list()) }
	for path, want := range map[string]int{
		tower + "/issues":                              3, // two pull requests among them
		tower + "/issues?type=issues":                  1,
		tower + "/issues?type=issues&state=all":        2,
		tower + "/issues?state=closed":                 1,
		tower + "/issues?labels=bug":                   1,
		tower + "/issues?labels=nothing":               3, // an unknown name does not filter
		tower + "/issues?q=CREAK":                      1,
		tower + "/issues?milestones=roof":              1,
		tower + "/issues?created_by=ben":               2,
		tower + "/issues?assigned_by=ada":              1,
		tower + "/issues?mentioned_by=ben":             1,
		tower + "/issues?since=2036-01-01T00:00:00Z":   0,
		"/api/v1/repos/issues/search?assigned=true":    1,
		"/api/v1/repos/issues/search?created=true":     1, // the one in the attic
		"/api/v1/repos/issues/search?labels=bug,typo":  1,
		"/api/v1/repos/issues/search?owner=acme":       0,
		"/api/v1/repos/issues/search?q=left&type=pull": 1,
	} {
		if got := count(path, fake.AdaToken); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	s.must(422, "GET", tower+"/issues?since=yesterday", fake.AdaToken, "")
	if a := s.must(200, "POST", tower+"/issues/1/labels", fake.AdaToken, `{"labels":[424242]}`); len(a.list()) != 1 {
		t.Errorf("an unknown label: %s, want it ignored", a.text)
	}
	if a := s.must(200, "PUT", tower+"/issues/1/labels", fake.AdaToken, `{"labels":["wish","nope"]}`); len(a.list()) != 1 || field(a.list()[0], "name") != "wish" {
		t.Errorf("replaced labels: %s", a.text)
	}
	// What somebody without rights asks for beyond the text is ignored, not refused.
	a := s.must(201, "POST", tower+"/issues", fake.EveToken, `{"title":"x","assignees":["ada"],"labels":[1]}`).obj()
	if a["assignees"] != nil || len(a["labels"].([]any)) != 0 {
		t.Errorf("a reader's issue has %v and %v", a["assignees"], a["labels"])
	}
	s.must(403, "PATCH", tower+"/issues/2", fake.EveToken, `{"title":"x"}`)
	s.must(201, "PATCH", tower+"/issues/1", fake.EveToken, `{"state":"closed"}`)
	c := s.must(201, "POST", tower+"/issues/1/comments", fake.EveToken, `{"body":"done"}`).obj()
	at := fmt.Sprintf("%s/issues/comments/%d", tower, number(c["id"]))
	s.must(422, "PATCH", at, fake.EveToken, `{}`)
	s.must(200, "PATCH", at, fake.BenToken, `{"body":"done, really"}`)
	s.must(401, "DELETE", at, "", "")
	s.must(204, "DELETE", at, fake.EveToken, "")
	s.must(404, "GET", at, "", "")
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for name, profile := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, fake.Options{Profile: profile})
			runs := s.must(200, "GET", tower+"/actions/runs?status=failure", fake.AdaToken, "").obj()
			if number(runs["total_count"]) != 1 {
				t.Fatalf("failed runs: %v", runs["total_count"])
			}
			run := runs["workflow_runs"].([]any)[0]
			at := fmt.Sprintf("%s/actions/runs/%d", tower, number(field(run, "id")))
			switch profile {
			case fake.Forgejo15:
				a := s.must(404, "GET", at+"/jobs", fake.AdaToken, "")
				if a.body != nil {
					t.Errorf("a route that is missing answers JSON: %s", a.text)
				}
				return
			case fake.Gitea126:
				if field(run, "status") != "completed" || field(run, "conclusion") != "failure" {
					t.Errorf("run is %v, %v", field(run, "status"), field(run, "conclusion"))
				}
			default:
				if field(run, "status") != "failure" {
					t.Errorf("run is %v", field(run, "status"))
				}
			}
			jobs := s.must(200, "GET", at+"/jobs", fake.AdaToken, "")
			rows := jobs.list()
			if profile == fake.Gitea126 {
				rows = jobs.obj()["jobs"].([]any)
			}
			logs(t, s, number(field(rows[0], "id")), number(field(rows[1], "id")))
		})
	}
}

func logs(t *testing.T, s *site, ran, blocked int64) {
	t.Helper()
	at := fmt.Sprintf("%s/actions/jobs/%d/logs", tower, ran)
	log := s.must(200, "GET", at, fake.AdaToken, "")
	if !strings.HasSuffix(log.text, "--- FAIL: TestFloors\n") {
		t.Errorf("log ends in %q", log.text[max(0, len(log.text)-40):])
	}
	for want, header := range map[string]string{log.text[:10]: "bytes=0-9", log.text[len(log.text)-21:]: "bytes=-21", log.text[100:]: "bytes=100-"} {
		r := s.request("GET", at, fake.AdaToken, "")
		r.Header.Set("Range", header)
		a, err := s.send(r)
		if err != nil || a.status != http.StatusPartialContent || a.text != want || !strings.HasSuffix(a.header.Get("Content-Range"), fmt.Sprintf("/%d", len(log.text))) {
			t.Errorf("%s: %d %q %s", header, a.status, a.text, a.header.Get("Content-Range"))
		}
	}
	r := s.request("GET", at, fake.AdaToken, "")
	r.Header.Set("Range", "bytes=99999999-")
	if a, _ := s.send(r); a.status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("beyond the end: %d", a.status)
	}
	s.must(404, "GET", fmt.Sprintf("%s/actions/jobs/%d/logs", tower, blocked), fake.AdaToken, "")
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	s := start(t, fake.Options{})
	unread := func() int { return len(s.must(200, "GET", "/api/v1/notifications", fake.BenToken, "").list()) }
	before := unread()
	s.must(201, "POST", tower+"/issues", fake.EveToken, `{"title":"Look","body":"@ben, please"}`)
	rows := s.must(200, "GET", "/api/v1/notifications", fake.BenToken, "").list()
	if len(rows) != before+1 || field(rows[0], "subject.title") != "Look" || field(rows[0], "subject.type") != "Issue" {
		t.Fatalf("%d notifications, first %v", len(rows), field(rows[0], "subject"))
	}
	at := fmt.Sprintf("/api/v1/notifications/threads/%d", number(field(rows[0], "id")))
	s.must(403, "PATCH", at, fake.EveToken, "")
	if a := s.must(205, "PATCH", at, fake.BenToken, ""); a.text != "" {
		t.Errorf("205 came with %q", a.text)
	}
	if got := unread(); got != before {
		t.Errorf("%d unread, want %d", got, before)
	}
	s.must(205, "PUT", "/api/v1/notifications", fake.BenToken, "")
	if got := unread(); got != 0 {
		t.Errorf("%d unread, want none", got)
	}
	if n := len(s.must(200, "GET", "/api/v1/notifications?all=true", fake.BenToken, "").list()); n != before+1 {
		t.Errorf("%d of all, want %d", n, before+1)
	}
}
