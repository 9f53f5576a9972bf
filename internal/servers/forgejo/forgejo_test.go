package forgejo_test

import (
	"net/http"
	"strings"
	"testing"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/forgejo"
	"drawbridge/internal/servers/forgejo/fake"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// forge is a fake that a test can look into.
func forge(t *testing.T, o fake.Options) *fake.Server {
	t.Helper()
	f, err := fake.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// suite opens the server on a fake of a version, as Ada.
func suite(o fake.Options) kittest.Suite {
	return kittest.Suite{
		New: kittest.Opens(forgejo.ReadConfig, forgejo.New), Secrets: []string{fake.AdaToken, fake.BenToken},
		Upstream: &kittest.Upstream{
			Fake:     func(t *testing.T) http.Handler { return forge(t, o) },
			Settings: func(url, _ string) map[string]string { return map[string]string{"url": url, "token": fake.AdaToken} },
		},
	}
}

// Not parallel: it looks for goroutines that a server leaves behind, and other tests
// have servers of their own.
func TestContract(t *testing.T) {
	const (
		tower  = `"repo":"ada/tower"`
		higher = `,"expected_head":"62117d05fd970e68de4a0ca10da9180f1b318235"` // of pull request 3 of the fake
		lower  = `,"expected_head":"66464423bd8efc180d82e1bd898517a4e7134622"` // of 4
	)
	s := suite(fake.Options{Profile: fake.Forgejo16})
	s.Cases = []kittest.Case{
		{Tool: "get_inbox", Good: `{}`, Bad: `{"include":["everything"]}`},
		{Tool: "search_repos", Good: `{"query":"tower"}`, Bad: `{"query":"a","topic":"b"}`},
		{Tool: "get_repo", Good: `{` + tower + `,"include":["readme","branches","labels","milestones"]}`, Bad: `{"repo":"tower"}`},
		{Tool: "list_files", Good: `{` + tower + `,"recursive":true}`, Bad: `{` + tower + `,"path":"none"}`},
		{Tool: "read_file", Good: `{` + tower + `,"path":"tower.go","start_line":2}`, Bad: `{` + tower + `,"path":"docs"}`},
		{Tool: "commit_files", Good: `{` + tower + `,"new_branch":"next","message":"m","changes":[{"op":"update","path":"README.md","content":"x"},{"op":"rename","from_path":"docs/plan.md","path":"plan.md"}]}`,
			Bad:  `{` + tower + `,"message":"m","changes":[{"op":"update","path":"README.md"}]}`,
			Asks: `{` + tower + `,"message":"m","changes":[{"op":"delete","path":"docs/plan.md","sha":"a12d2e375c1a481f76d4fee50af59f9b0fb00e7a"}]}`, Other: `{` + tower + `,"message":"m","changes":[{"op":"delete","path":"tower.go","sha":"35e4e8ebc94a06be1e3e6333b5902f4778dce6ba"}]}`},
		{Tool: "list_commits", Good: `{` + tower + `,"path":"README.md"}`, Bad: `{` + tower + `,"ref":"none"}`},
		{Tool: "get_commit", Good: `{` + tower + `,"sha":"higher","diff":true}`, Bad: `{` + tower + `,"sha":"none"}`},
		{Tool: "compare_refs", Good: `{` + tower + `,"base":"main","head":"higher"}`, Bad: `{` + tower + `,"base":"main","head":"none"}`},
		{Tool: "create_branch", Good: `{` + tower + `,"branch":"new","from":"higher"}`, Bad: `{` + tower + `,"branch":"higher"}`},
		{Tool: "search_issues", Good: `{` + tower + `,"labels":["bug"],"assignee":"@me"}`, Bad: `{"assignee":"ben"}`},
		{Tool: "get_issue", Good: `{` + tower + `,"number":1}`, Bad: `{` + tower + `,"number":99}`},
		{Tool: "save_issue", Good: `{` + tower + `,"number":1,"title":"Creaks","labels":["wish"],"milestone":"roof","assignees":["ben"],"state":"closed"}`, Bad: `{` + tower + `,"number":1}`},
		{Tool: "add_comment", Before: []kittest.Step{{Tool: "add_comment", Args: `{` + tower + `,"number":1,"body":"one"}`}}, Good: `{` + tower + `,"number":1,"body":"yes"}`, Bad: `{` + tower + `,"number":1,"comment_id":117}`,
			Asks: `{` + tower + `,"number":1,"comment_id":117,"delete":true}`, Other: `{` + tower + `,"number":1,"comment_id":137,"delete":true}`},
		{Tool: "list_pull_requests", Good: `{` + tower + `,"state":"all","author":"ben"}`, Bad: `{` + tower + `,"limit":1000}`},
		{Tool: "get_pull_request", Good: `{` + tower + `,"number":3}`, Bad: `{` + tower + `,"number":1}`},
		{Tool: "get_pull_request_diff", Good: `{` + tower + `,"number":3}`, Bad: `{` + tower + `,"number":3,"path":"none"}`},
		{Tool: "create_pull_request", Good: `{` + tower + `,"number":3,"title":"Higher still","reviewers":["ada"]}`, Bad: `{` + tower + `,"head":"higher"}`},
		{Tool: "submit_review", Good: `{` + tower + `,"number":3,"event":"comment","comments":[{"path":"tower.go","line":4,"body":"?"}]}`, Bad: `{` + tower + `,"number":3,"event":"comment","comments":[{"path":"tower.go","line":99,"body":"?"}]}`,
			Asks: `{` + tower + `,"number":3,"event":"approve"` + higher + `}`, Other: `{` + tower + `,"number":4,"event":"approve"` + lower + `}`},
		{Tool: "merge_pull_request", Good: `{` + tower + `,"number":3,"style":"squash"` + higher + `}`, Bad: `{` + tower + `,"number":1}`,
			Asks: `{` + tower + `,"number":3` + higher + `}`, Other: `{` + tower + `,"number":4` + lower + `}`},
		{Tool: "list_workflow_runs", Good: `{` + tower + `,"status":"failure"}`, Bad: `{` + tower + `,"status":"sad"}`},
		{Tool: "get_run", Good: `{` + tower + `,"id":128}`, Bad: `{` + tower + `,"id":99}`},
		{Tool: "get_job_log", Good: `{` + tower + `,"job":129,"grep":"fail"}`, Bad: `{` + tower + `,"job":1,"offset":1,"tail":2}`},
		{Tool: "run_workflow", Good: `{` + tower + `,"workflow":"ci.yml"}`, Bad: `{` + tower + `,"workflow":"a/ci.yml"}`, Other: `{` + tower + `,"workflow":"ci.yml","ref":"higher"}`},
		{Tool: "list_releases", Good: `{` + tower + `}`, Bad: `{` + tower + `,"cursor":"x"}`},
		{Tool: "save_release", Good: `{` + tower + `,"tag":"v2.0","name":"Two","draft":true}`, Bad: `{` + tower + `}`},
		{Tool: "mark_notifications", Good: `{"up_to":"2026-11-20"}`, Bad: `{}`},
		{Tool: "create_repo", Good: `{"name":"barn"}`, Bad: `{"name":"a b"}`},
		{Tool: "delete_branch", Good: `{` + tower + `,"branch":"lower"}`, Bad: `{` + tower + `,"branch":"none"}`, Other: `{` + tower + `,"branch":"higher"}`},
		{Tool: "manage_repo", Good: `{` + tower + `,"action":"archive"}`, Bad: `{` + tower + `,"action":"delete","confirm_name":"tower"}`, Other: `{` + tower + `,"action":"delete","confirm_name":"ada/tower"}`},
	}
	kittest.Run(t, s)
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	if _, err := forgejo.ReadConfig(kit.Settings{}); err == nil || !strings.Contains(err.Error(), "FORGEJO_URL") {
		t.Errorf("%v", err)
	}
	cfg, err := forgejo.ReadConfig(kit.Settings{Values: map[string]secret.String{"url": secret.New("https://git.example.org/"), "repos": secret.New("acme/*, ada/tower"), "repos_deny": secret.New("acme/secret")}})
	if err != nil || cfg.Mode != kit.ModeWrite || len(cfg.Repos.Allow) != 2 || cfg.Repos.Allows("acme/secret") || !cfg.Repos.Allows("Acme/site") {
		t.Errorf("%+v, %v", cfg, err)
	}
	if _, err := forgejo.New(forgejo.Config{URL: "git.example.org"}, kittest.Deps(&kittest.Log{}, nil)); err == nil || !strings.Contains(err.Error(), "http") {
		t.Errorf("a URL without a scheme: %v", err)
	}
}
