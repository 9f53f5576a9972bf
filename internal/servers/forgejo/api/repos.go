package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"drawbridge/internal/servers/kit"
)

// RepoFacts is what the API tells of a repository, as far as it is used.
type RepoFacts struct {
	ID            int64     `json:"id"` // which no other gets, whatever its name
	FullName      string    `json:"full_name"`
	Description   string    `json:"description"`
	DefaultBranch string    `json:"default_branch"`
	Private       bool      `json:"private"`
	Fork          bool      `json:"fork"`
	Archived      bool      `json:"archived"`
	Empty         bool      `json:"empty"`
	Mirror        bool      `json:"mirror"`
	Stars         int       `json:"stars_count"`
	OpenIssues    int       `json:"open_issues_count"`
	OpenPulls     int       `json:"open_pr_counter"`
	HTMLURL       string    `json:"html_url"`
	CloneURL      string    `json:"clone_url"`
	Updated       time.Time `json:"updated_at"`
	Permissions   struct {
		Admin bool `json:"admin"`
		Push  bool `json:"push"`
		Pull  bool `json:"pull"`
	} `json:"permissions"`
	Parent *struct {
		FullName string `json:"full_name"`
	} `json:"parent"`
}

// Branch is a branch with its newest commit.
type Branch struct {
	Name      string `json:"name"`
	Protected bool   `json:"protected"`
	Commit    struct {
		ID string `json:"id"`
	} `json:"commit"`
}

// Label is a label of a repository or its organization.
type Label struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// Milestone is a milestone.
type Milestone struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
}

// RepoSearch says which repositories are searched for.
type RepoSearch struct {
	Query   string
	Topic   bool  // Query is a topic
	OwnerID int64 // 0: of everybody
}

// SearchRepos lists repositories that the token sees, last changed first.
func (s Session) SearchRepos(ctx context.Context, w Window, f RepoSearch) ([]RepoFacts, int, error) {
	return pages(ctx, s, w, func(ctx context.Context, q url.Values) ([]RepoFacts, int, error) {
		var out struct{ Data []RepoFacts }
		q.Set("sort", "updated")
		q.Set("order", "desc")
		setIf(q, "q", f.Query)
		if f.Topic {
			q.Set("topic", "true")
		}
		if f.OwnerID != 0 {
			q.Set("uid", digits(f.OwnerID))
			q.Set("exclusive", "true")
		}
		a, err := s.call(ctx, kit.Request{Path: "/repos/search", Query: q, Into: &out, What: "repositories"})
		return out.Data, totalOf(a), err
	})
}

// Facts describes the repository.
func (r Repo) Facts(ctx context.Context) (f RepoFacts, err error) {
	return f, r.get(ctx, r.path(), nil, &f, "the repository "+r.String())
}

// Branches lists branches.
func (r Repo) Branches(ctx context.Context, w Window) ([]Branch, int, error) {
	return list[Branch](ctx, r.Session, w, r.path("branches"), nil, "branches of "+r.String())
}

// Branch describes one branch.
func (r Repo) Branch(ctx context.Context, name string) (b Branch, err error) {
	return b, r.get(ctx, r.path("branches", name), nil, &b, "the branch "+name+" of "+r.String())
}

// CreateBranch makes a branch at a branch, tag or commit; "" is the default branch.
func (r Repo) CreateBranch(ctx context.Context, name, from string) (b Branch, err error) {
	body := struct {
		Name string `json:"new_branch_name"`
		From string `json:"old_ref_name,omitempty"`
	}{name, from}
	return b, r.send(ctx, http.MethodPost, r.path("branches"), body, &b, "the start "+from+" in "+r.String())
}

// DeleteBranch removes a branch.
func (r Repo) DeleteBranch(ctx context.Context, name string) error {
	return r.send(ctx, http.MethodDelete, r.path("branches", name), nil, nil, "the branch "+name+" of "+r.String())
}

// Labels are the labels that can be used in the repository: its own, then those of
// its organization, if it belongs to one.
func (r Repo) Labels(ctx context.Context, w Window) ([]Label, error) {
	own, _, err := list[Label](ctx, r.Session, w, r.path("labels"), nil, "labels of "+r.String())
	if err != nil {
		return nil, err
	}
	shared, _, err := list[Label](ctx, r.Session, w, kit.Path("orgs", r.Owner, "labels"), nil, "labels of "+r.Owner)
	switch kit.StatusOf(err) {
	case http.StatusNotFound, http.StatusForbidden: // a user, or a token without organizations
		return own, nil
	}
	return append(own, shared...), err
}

// Milestones are the open milestones.
func (r Repo) Milestones(ctx context.Context, w Window) ([]Milestone, error) {
	rows, _, err := list[Milestone](ctx, r.Session, w, r.path("milestones"), nil, "milestones of "+r.String())
	return rows, err
}

// NewRepo is a repository to make.
type NewRepo struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Private     bool   `json:"private"`
	AutoInit    bool   `json:"auto_init"`
	Branch      string `json:"default_branch,omitempty"`
}

// CreateRepo makes a repository of the token's owner, or of an organization.
func (s Session) CreateRepo(ctx context.Context, org string, n NewRepo) (f RepoFacts, err error) {
	path := "/user/repos"
	if org != "" {
		path = kit.Path("orgs", org, "repos")
	}
	return f, s.send(ctx, http.MethodPost, path, n, &f, "the organization "+org)
}

// Fork copies the repository to the token's owner, or to an organization.
func (r Repo) Fork(ctx context.Context, org, name string) (f RepoFacts, err error) {
	body := struct {
		Org  string `json:"organization,omitempty"`
		Name string `json:"name,omitempty"`
	}{org, name}
	return f, r.send(ctx, http.MethodPost, r.path("forks"), body, &f, "the repository "+r.String())
}

// Archive makes the repository read-only, or ends that.
func (r Repo) Archive(ctx context.Context, archived bool) (f RepoFacts, err error) {
	body := struct {
		Archived bool `json:"archived"`
	}{archived}
	return f, r.send(ctx, http.MethodPatch, r.path(), body, &f, "the repository "+r.String())
}

// Transfer gives the repository to somebody else.
func (r Repo) Transfer(ctx context.Context, to string) error {
	body := struct {
		To string `json:"new_owner"`
	}{to}
	return r.send(ctx, http.MethodPost, r.path("transfer"), body, nil, "the new owner "+to)
}

// Delete removes the repository with everything in it.
func (r Repo) Delete(ctx context.Context) error {
	return r.send(ctx, http.MethodDelete, r.path(), nil, nil, "the repository "+r.String())
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }

func setIf(q url.Values, key, value string) {
	if value != "" {
		q.Set(key, value)
	}
}
