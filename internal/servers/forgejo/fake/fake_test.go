package fake_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/servers/forgejo/fake"
)

var profiles = map[string]fake.Profile{"forgejo-15": fake.Forgejo15, "forgejo-16": fake.Forgejo16, "gitea-1.26": fake.Gitea126}

// site is a running fake with a caller who speaks plain HTTP.
type site struct {
	*fake.Server
	t   *testing.T
	url string
}

func start(t *testing.T, o fake.Options) *site {
	t.Helper()
	s, err := fake.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return &site{Server: s, t: t, url: h.URL}
}

// answer is what came back; body is decoded where it is JSON.
type answer struct {
	status int
	header http.Header
	text   string
	body   any
}

func (a answer) obj() map[string]any { m, _ := a.body.(map[string]any); return m }
func (a answer) list() []any         { l, _ := a.body.([]any); return l }
func (a answer) message() string     { m, _ := a.obj()["message"].(string); return m }

func (s *site) request(method, path, token, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "token "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (s *site) send(r *http.Request) (answer, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	a := answer{status: res.StatusCode, header: res.Header, text: string(text)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		_ = json.Unmarshal(text, &a.body)
	}
	return a, err
}

func (s *site) do(method, path, token, body string) answer {
	s.t.Helper()
	a, err := s.send(s.request(method, path, token, body))
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// must also checks the status.
func (s *site) must(status int, method, path, token, body string) answer {
	s.t.Helper()
	a := s.do(method, path, token, body)
	if a.status != status {
		s.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.text, status)
	}
	return a
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

const tower = "/api/v1/repos/ada/tower"

// refusal is a request that must be refused, and how.
type refusal struct {
	name                string
	only                []string
	method, path, token string
	body                string
	status              int
	message             string // part of it
}

func refusals() []refusal {
	forgejo, gitea := []string{"forgejo-15", "forgejo-16"}, []string{"gitea-1.26"}
	return []refusal{
		{"stranger who must be somebody", nil, "GET", "/api/v1/user", "", "", 401, "token is required"},
		{"unknown token", gitea, "GET", "/api/v1/user", "nobodys", "", 401, "invalid username, password or token"},
		{"unknown token", forgejo, "GET", "/api/v1/user", "nobodys", "", 401, "user does not exist [uid: 0, name: ]"},
		{"token in the query", nil, "GET", "/api/v1/user?token=" + fake.AdaToken, "", "", 401, "token is required"},
		{"scope is missing", nil, "GET", "/api/v1/user", fake.ReadToken, "", 403, "token does not have at least one of required scope(s), required=[read:user], token scope=read:repository"},
		{"scope reads only", nil, "POST", tower + "/branches", fake.ReadToken, `{"new_branch_name":"x"}`, 403, "required=[write:repository]"},
		{"issues have a scope of their own", nil, "GET", tower + "/issues", fake.ReadToken, "", 403, "required=[read:issue]"},
		{"private repository", gitea, "GET", "/api/v1/repos/ada/vault", fake.EveToken, "", 404, "not found"},
		{"private repository", forgejo, "GET", "/api/v1/repos/ada/vault", fake.EveToken, "", 404, "The target couldn't be found."},
		{"private repository, for a stranger who writes", nil, "POST", "/api/v1/repos/ada/vault/issues", "", `{"title":"x"}`, 404, ""},
		{"public repository, for a stranger who writes", nil, "POST", tower + "/issues", "", `{"title":"x"}`, 401, "token is required"},
		{"required member", nil, "POST", "/api/v1/user/repos", fake.AdaToken, `{}`, 422, "[Name]: Required"},
		{"bad name", nil, "POST", "/api/v1/user/repos", fake.AdaToken, `{"name":"a b"}`, 422, "[Name]: AlphaDashDot"},
		{"wrong type", nil, "POST", "/api/v1/user/repos", fake.AdaToken, `{"name":7}`, 422, "[]: json: cannot unmarshal number"},
		{"no JSON", nil, "POST", "/api/v1/user/repos", fake.AdaToken, `{"name"`, 422, "[]: "},
		{"repository exists", nil, "POST", "/api/v1/user/repos", fake.AdaToken, `{"name":"Tower"}`, 409, "The repository with the same name already exists."},
		{"rights are missing", nil, "PATCH", tower, fake.BenToken, `{"description":"x"}`, 403, "user should be an owner or a collaborator with admin write of a repository"},
		{"deleting belongs to the owner", nil, "DELETE", tower, fake.BenToken, "", 403, "user should be the owner of the repo"},
		{"writing needs rights", nil, "POST", tower + "/labels", fake.EveToken, `{"name":"x","color":"#aabbcc"}`, 403, "user should have a permission to write to a repo"},
		{"archived", nil, "POST", "/api/v1/repos/ada/attic/issues", fake.AdaToken, `{"title":"x"}`, 423, "ada/attic is archived"},
		{"file exists", nil, "POST", tower + "/contents/README.md", fake.AdaToken, `{"content":""}`, 422, "repository file already exists [path: README.md]"},
		{"sha is old", nil, "PUT", tower + "/contents/README.md", fake.AdaToken, `{"content":"","sha":"0123"}`, 422, "sha does not match [given: 0123, expected: "},
		{"sha is missing", forgejo, "PUT", tower + "/contents/README.md", fake.AdaToken, `{"content":""}`, 422, "[SHA]: Required"},
		{"sha is missing", gitea, "PUT", tower + "/contents/README.md", fake.AdaToken, `{"content":""}`, 422, "repository file already exists"},
		{"deleting with an old sha", forgejo, "DELETE", tower + "/contents/README.md", fake.AdaToken, `{"sha":"0123"}`, 400, "sha does not match"},
		{"deleting with an old sha", gitea, "DELETE", tower + "/contents/README.md", fake.AdaToken, `{"sha":"0123"}`, 422, "sha does not match"},
		{"operation without a path", nil, "POST", tower + "/contents", fake.AdaToken, `{"files":[{"operation":"create"}]}`, 422, "[Path]: Required"},
		{"no operations", nil, "POST", tower + "/contents", fake.AdaToken, `{}`, 422, "[Files]: Required"},
		{"unknown operation", nil, "POST", tower + "/contents", fake.AdaToken, `{"files":[{"operation":"paint","path":"x"}]}`, 500, ""},
		{"path into .git", nil, "POST", tower + "/contents/.git/config", fake.AdaToken, `{"content":""}`, 422, "path contains a malformed path component"},
		{"not base64", nil, "POST", tower + "/contents/x", fake.AdaToken, `{"content":"***"}`, 422, "illegal base64 data"},
		{"no such branch", nil, "POST", tower + "/contents/x", fake.AdaToken, `{"content":"","branch":"nope"}`, 404, "branch does not exist"},
		{"file where a folder is needed", nil, "POST", tower + "/contents/README.md/x", fake.AdaToken, `{"content":""}`, 422, "a file exists where"},
		{"folder where the file should be", nil, "POST", tower + "/contents/docs", fake.AdaToken, `{"content":""}`, 422, "a directory exists where"},
		{"no rights on the branch", nil, "POST", tower + "/contents/x", fake.EveToken, `{"content":""}`, 403, "user should have a permission to write to"},
		{"branch exists", nil, "POST", tower + "/branches", fake.AdaToken, `{"new_branch_name":"higher"}`, 409, "The branch already exists."},
		{"branch like a folder of one", nil, "POST", tower + "/branches", fake.AdaToken, `{"new_branch_name":"higher/up"}`, 409, "The branch with the same name already exists."},
		{"branch has no name", nil, "POST", tower + "/branches", fake.AdaToken, `{}`, 422, "[BranchName]: Required"},
		{"branch of an unknown ref", nil, "POST", tower + "/branches", fake.AdaToken, `{"new_branch_name":"y","old_ref_name":"nope"}`, 500, ""},
		{"default branch stays", nil, "DELETE", tower + "/branches/main", fake.AdaToken, "", 403, "can not delete default or pull request target branch"},
		{"unknown label is 422", nil, "DELETE", tower + "/issues/1/labels/7", fake.AdaToken, "", 422, "label does not exist [label_id: "},
		{"labels by both", nil, "POST", tower + "/issues/1/labels", fake.AdaToken, `{"labels":[1,"bug"]}`, 400, "labels should be an array of strings or integers"},
		{"comments of no issue", nil, "GET", tower + "/issues/99/comments", fake.AdaToken, "", 500, ""},
		{"no issue", nil, "GET", tower + "/issues/99", fake.AdaToken, "", 404, ""},
		{"an issue is no pull request", nil, "GET", tower + "/pulls/1", fake.AdaToken, "", 404, ""},
		{"unknown state", nil, "PATCH", tower + "/issues/1", fake.AdaToken, `{"state":"gone"}`, 412, "unknown state: gone"},
		{"assignee is nobody", nil, "POST", tower + "/issues", fake.AdaToken, `{"title":"x","assignees":["zoe"]}`, 422, "Assignee does not exist"},
		{"assignee may not", nil, "POST", "/api/v1/repos/ada/vault/issues", fake.AdaToken, `{"title":"x","assignees":["eve"]}`, 422, "user doesn't have access to repo"},
		{"pull request exists", nil, "POST", tower + "/pulls", fake.AdaToken, `{"title":"x","head":"higher","base":"main"}`, 409, "pull request already exists for these targets [id: "},
		{"pull request of itself", nil, "POST", tower + "/pulls", fake.AdaToken, `{"title":"x","head":"main","base":"main"}`, 422, "There are no changes between the head and the base"},
		{"own pull request", nil, "POST", tower + "/pulls/3/reviews", fake.BenToken, `{"event":"APPROVED"}`, 422, "approve your own pull is not allowed"},
		{"review says nothing", nil, "POST", tower + "/pulls/3/reviews", fake.AdaToken, `{"event":"COMMENT"}`, 422, "review event COMMENT requires a body or a comment"},
		{"changes without a reason", nil, "POST", tower + "/pulls/3/reviews", fake.AdaToken, `{"event":"REQUEST_CHANGES"}`, 422, "review event REQUEST_CHANGES requires a body"},
		{"way to merge", nil, "POST", tower + "/pulls/3/merge", fake.AdaToken, `{"Do":"glue"}`, 422, "[Do]: In"},
		{"merge how", nil, "POST", tower + "/pulls/3/merge", fake.AdaToken, `{}`, 422, "[Do]: Required"},
		{"merging a conflict", nil, "POST", tower + "/pulls/4/merge", fake.AdaToken, `{"Do":"merge"}`, 405, "Please try again later"},
		{"merging without rights", nil, "POST", tower + "/pulls/3/merge", fake.EveToken, `{"Do":"merge"}`, 405, "User not allowed to merge PR"},
		{"merging what has moved", nil, "POST", tower + "/pulls/3/merge", fake.AdaToken, `{"Do":"merge","head_commit_id":"0123"}`, 409, "head out of date"},
		{"no fast forward", nil, "POST", tower + "/pulls/3/merge", fake.AdaToken, `{"Do":"fast-forward-only"}`, 500, ""},
		{"sort by nothing known", nil, "GET", "/api/v1/repos/search?sort=colour", fake.AdaToken, "", 422, `Invalid sort mode: "colour"`},
		{"tokens want a password", nil, "POST", "/api/v1/users/ada/tokens", fake.AdaToken, `{"name":"x","scopes":["all"]}`, 401, "auth required"},
		{"release exists", nil, "POST", tower + "/releases", fake.AdaToken, `{"tag_name":"v1.0"}`, 409, "Release is has no Tag"},
		{"release of nothing", nil, "POST", tower + "/releases", fake.AdaToken, `{"tag_name":"v2","target_commitish":"nope"}`, 404, `target "nope" not found`},
		{"dispatch without a ref", forgejo, "POST", tower + "/actions/workflows/ci.yml/dispatches", fake.AdaToken, `{}`, 400, "ref is empty"},
		{"dispatch without a ref", gitea, "POST", tower + "/actions/workflows/ci.yml/dispatches", fake.AdaToken, `{}`, 422, "[Ref]: Required"},
		{"dispatch of no workflow", nil, "POST", tower + "/actions/workflows/cd.yml/dispatches", fake.AdaToken, `{"ref":"main"}`, 404, `workflow "cd.yml" doesn't exist`},
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, profile := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, fake.Options{Profile: profile})
			before := s.must(200, "GET", tower+"/commits", fake.AdaToken, "").text
			for _, tt := range refusals() {
				if tt.only != nil && !slices.Contains(tt.only, name) {
					continue
				}
				got := s.do(tt.method, tt.path, tt.token, tt.body)
				if got.status != tt.status || !strings.Contains(got.message(), tt.message) {
					t.Errorf("%s: %s %s: %d %s, want %d %q", tt.name, tt.method, tt.path, got.status, got.text, tt.status, tt.message)
				}
				if _, has := got.obj()["url"]; !has {
					t.Errorf("%s: the error has no url: %s", tt.name, got.text)
				}
			}
			if after := s.must(200, "GET", tower+"/commits", fake.AdaToken, "").text; after != before {
				t.Error("requests that failed left commits behind")
			}
		})
	}
}

func TestErrors_shapeOf404(t *testing.T) {
	t.Parallel()
	for name, profile := range profiles {
		s := start(t, fake.Options{Profile: profile})
		a := s.must(404, "GET", "/api/v1/repos/ada/nowhere", fake.AdaToken, "")
		errs, isList := a.obj()["errors"].([]any)
		if forgejo := profile != fake.Gitea126; forgejo != isList || len(errs) != 0 {
			t.Errorf("%s: errors is %v, want null in Gitea and [] in Forgejo", name, a.obj()["errors"])
		}
		a = s.must(404, "GET", "/api/v1/nowhere", fake.AdaToken, "")
		if a.header.Get("Content-Type") != "text/plain; charset=utf-8" || a.text != "404 page not found\n" {
			t.Errorf("%s: an unknown route answers %q", name, a.text)
		}
		s.must(405, "PUT", tower+"/issues", fake.AdaToken, "{}")
	}
}

func TestBind_asUpstream(t *testing.T) {
	t.Parallel()
	s := start(t, fake.Options{})
	r := s.request("POST", tower+"/issues", fake.AdaToken, `{"title":"x"}`)
	r.Header.Del("Content-Type")
	if a, err := s.send(r); err != nil || a.status != 422 || a.message() != "[]: Empty Content-Type" {
		t.Errorf("POST without a type: %d %s %v", a.status, a.text, err)
	}
	r = s.request("PATCH", tower+"/issues/1", fake.AdaToken, `{"title":"not heard"}`)
	r.Header.Del("Content-Type")
	if a, err := s.send(r); err != nil || a.status != 201 || a.obj()["title"] != "The stairs creak" {
		t.Errorf("PATCH without a type: %d %s %v, want the body unheard", a.status, a.text, err)
	}
	s.must(201, "POST", tower+"/issues", fake.AdaToken, `{"title":"x","colour":"red","label":[]}`)
	all := s.Requests()
	if last := all[len(all)-1]; !slices.Equal(last.Ignored, []string{"colour", "label"}) || !last.Done || last.User != "ada" {
		t.Errorf("recorded %+v, want the members that nobody knows", last)
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	seed := fake.Example()
	seed.Users = append(seed.Users, fake.SeedUser{Login: "mal", Blocked: true, Tokens: []fake.SeedToken{{Value: "made-up-blocked"}}},
		fake.SeedUser{Login: "pub", Tokens: []fake.SeedToken{{Value: "made-up-public", Scopes: []string{"public-only", "read:repository"}}}})
	seed.Repos = append(seed.Repos, fake.SeedRepo{Owner: "pub", Name: "own", Private: true})
	s := start(t, fake.Options{Seed: seed})
	r := s.request("GET", "/api/v1/user", "", "")
	r.Header.Set("Authorization", "Bearer "+fake.BenToken)
	if a, _ := s.send(r); a.obj()["login"] != "ben" {
		t.Errorf("Bearer: %s", a.text)
	}
	s.must(403, "GET", "/api/v1/user", "made-up-blocked", "")
	if a := s.must(403, "GET", "/api/v1/repos/pub/own", "made-up-public", ""); a.message() != "token scope is limited to public repos" {
		t.Errorf("public-only: %s", a.text)
	}
	r = s.request("POST", "/api/v1/users/eve/tokens", "", `{"name":"mine","scopes":["read:user"]}`)
	r.SetBasicAuth("eve", fake.Password)
	a, _ := s.send(r)
	fresh, _ := a.obj()["sha1"].(string)
	if a.status != 201 || fresh == "" {
		t.Fatalf("new token: %d %s", a.status, a.text)
	}
	s.must(200, "GET", "/api/v1/user", fresh, "")
	s.must(403, "GET", tower, fresh, "")
	r = s.request("GET", "/api/v1/user", "", "")
	r.SetBasicAuth("eve", "wrong")
	if a, _ := s.send(r); a.status != 401 {
		t.Errorf("wrong password: %d", a.status)
	}
	for _, row := range s.must(200, "GET", "/api/v1/repos/search", fake.EveToken, "").obj()["data"].([]any) {
		if name := row.(map[string]any)["full_name"]; name == "ada/vault" {
			t.Error("search shows a private repository to others")
		}
	}
}

func TestPaging_capsInSilence(t *testing.T) {
	t.Parallel()
	seed := fake.Example()
	for range 65 {
		seed.Repos[1].Issues = append(seed.Repos[1].Issues, fake.SeedIssue{Title: "again"})
	}
	s := start(t, fake.Options{Seed: seed})
	const vault = "/api/v1/repos/ada/vault/issues"
	for _, tt := range []struct {
		query       string
		rows        int
		first       float64
		links, none []string
	}{
		{"?limit=100", 50, 65, []string{`limit=100&page=2>; rel="next"`, `page=2>; rel="last"`}, []string{`rel="prev"`}},
		{"?limit=0", 30, 65, []string{`page=3>; rel="last"`}, nil},
		{"?limit=20&page=4", 5, 5, []string{`page=3>; rel="prev"`, `page=1>; rel="first"`}, []string{`rel="next"`}},
		{"?limit=50&page=9", 0, 0, []string{`page=8>; rel="prev"`}, []string{`rel="next"`}},
	} {
		a := s.must(200, "GET", vault+tt.query, fake.AdaToken, "")
		if len(a.list()) != tt.rows || a.header.Get("X-Total-Count") != "65" {
			t.Errorf("%s: %d rows of %s, want %d of 65", tt.query, len(a.list()), a.header.Get("X-Total-Count"), tt.rows)
		}
		if tt.rows > 0 && a.list()[0].(map[string]any)["number"] != tt.first {
			t.Errorf("%s: begins with %v, want %v", tt.query, a.list()[0].(map[string]any)["number"], tt.first)
		}
		for _, want := range tt.links {
			if !strings.Contains(a.header.Get("Link"), want) {
				t.Errorf("%s: Link %q lacks %q", tt.query, a.header.Get("Link"), want)
			}
		}
		for _, not := range tt.none {
			if strings.Contains(a.header.Get("Link"), not) {
				t.Errorf("%s: Link %q has %q", tt.query, a.header.Get("Link"), not)
			}
		}
	}
	if got := s.must(200, "GET", "/api/v1/settings/api", "", "").obj(); got["max_response_items"] != 50.0 || got["default_paging_num"] != 30.0 {
		t.Errorf("settings: %v", got)
	}
	small := start(t, fake.Options{MaxItems: 2})
	if n := len(small.must(200, "GET", tower+"/issues?state=all", fake.AdaToken, "").list()); n != 2 {
		t.Errorf("a cap of 2 gave %d rows", n)
	}
}

func TestRun_endsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan string, 1)
	ended := make(chan error, 1)
	go func() { // ended by cancel, awaited below
		ended <- fake.Run(ctx, "127.0.0.1:0", fake.Options{Profile: fake.Gitea126}, func(url string) { ready <- url })
	}()
	url := <-ready
	s := &site{t: t, url: url}
	if a := s.must(200, "GET", "/api/v1/version", "", ""); strings.TrimSpace(a.text) != `{"version":"1.26.0"}` {
		t.Errorf("version: %s", a.text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestSeed_contradictions(t *testing.T) {
	t.Parallel()
	owner := fake.SeedUser{Login: "ada"}
	for name, seed := range map[string]fake.Seed{
		"no owner":         {Repos: []fake.SeedRepo{{Owner: "zoe", Name: "x"}}},
		"no member":        {Users: []fake.SeedUser{{Login: "acme", Org: true, Members: map[string]string{"zoe": "read"}}}},
		"no level":         {Users: []fake.SeedUser{owner, {Login: "acme", Org: true, Members: map[string]string{"ada": "king"}}}},
		"no author":        {Users: []fake.SeedUser{owner}, Repos: []fake.SeedRepo{{Owner: "ada", Name: "x", Commits: []fake.SeedCommit{{By: "zoe"}}}}},
		"no branch":        {Users: []fake.SeedUser{owner}, Repos: []fake.SeedRepo{{Owner: "ada", Name: "x", Issues: []fake.SeedIssue{{Title: "x", Head: "nope"}}}}},
		"no assignee":      {Users: []fake.SeedUser{owner}, Repos: []fake.SeedRepo{{Owner: "ada", Name: "x", Issues: []fake.SeedIssue{{Assignees: []string{"zoe"}}}}}},
		"no one to remark": {Users: []fake.SeedUser{owner}, Repos: []fake.SeedRepo{{Owner: "ada", Name: "x", Issues: []fake.SeedIssue{{Comments: []map[string]string{{"by": "zoe"}}}}}}},
	} {
		if _, err := fake.New(fake.Options{Seed: &seed}); err == nil {
			t.Errorf("%s: planted", name)
		}
	}
	text, err := json.Marshal(fake.Example())
	if err != nil {
		t.Fatal(err)
	}
	var again fake.Seed
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	s := start(t, fake.Options{Seed: &again})
	s.must(200, "GET", tower+"/pulls/3", fake.AdaToken, "")
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
