package api

import (
	"context"
	"net/url"
	"strings"
	"time"

	"drawbridge/internal/servers/kit"
)

// Commit is a commit.
type Commit struct {
	SHA     string `json:"sha"`
	HTMLURL string `json:"html_url"`
	Commit  struct {
		Message string `json:"message"`
		Author  struct {
			Name string    `json:"name"`
			Date time.Time `json:"date"`
		} `json:"author"`
	} `json:"commit"`
	Files []struct {
		Name   string `json:"filename"`
		Status string `json:"status"`
	} `json:"files"`
}

// Subject is the first line of the message.
func (c Commit) Subject() string {
	subject, _, _ := strings.Cut(c.Commit.Message, "\n")
	return subject
}

// Commits lists commits from a branch, tag or commit back; "" is the default branch.
// path may be empty.
func (r Repo) Commits(ctx context.Context, w Window, ref, path string) ([]Commit, int, error) {
	q := url.Values{"stat": {"false"}, "verification": {"false"}, "files": {"false"}}
	setIf(q, "sha", ref)
	setIf(q, "path", path)
	return list[Commit](ctx, r.Session, w, r.path("commits"), q, "commits of "+ref+" in "+r.String())
}

// Resolve finds the commit of a branch, tag or commit; "" is the default branch.
func (r Repo) Resolve(ctx context.Context, ref string) (string, error) {
	rows, _, err := r.Commits(ctx, Window{Limit: 1}, ref, "")
	if err != nil || len(rows) == 0 {
		return ref, err
	}
	return rows[0].SHA, nil
}

// ReadCommit reads one commit with its files.
func (r Repo) ReadCommit(ctx context.Context, sha string) (c Commit, err error) {
	return c, r.get(ctx, r.path("git", "commits", sha), url.Values{"verification": {"false"}}, &c, "the commit "+sha+" of "+r.String())
}

// CommitDiff is the difference that a commit made.
func (r Repo) CommitDiff(ctx context.Context, sha string) (string, error) {
	return r.text(ctx, r.path("git", "commits", sha+".diff"), "the commit "+sha+" of "+r.String())
}

// Compare lists the commits that head has and base has not.
func (r Repo) Compare(ctx context.Context, base, head string) ([]Commit, int, error) {
	var out struct {
		Total   int `json:"total_commits"`
		Commits []Commit
	}
	err := r.get(ctx, r.path("compare", base+"..."+head), url.Values{"verification": {"false"}}, &out, base+" or "+head+" in "+r.String())
	return out.Commits, max(out.Total, len(out.Commits)), err
}

// Check is one status of a commit.
type Check struct {
	Context     string `json:"context"`
	Status      string `json:"status"`
	Description string `json:"description"`
}

// mostChecks bounds the statuses of one commit that are read.
const mostChecks = 500

// Checks reads the newest statuses of a commit, one for each context.
func (r Repo) Checks(ctx context.Context, sha string) ([]Check, error) {
	all, _, err := pages(ctx, r.Session, Window{Limit: mostChecks}, func(ctx context.Context, q url.Values) ([]Check, int, error) {
		var out struct {
			Statuses []Check `json:"statuses"`
		}
		a, err := r.call(ctx, kit.Request{Path: r.path("commits", sha, "status"), Query: q, Into: &out, What: "the commit " + sha + " of " + r.String()})
		return out.Statuses, totalOf(a), err
	})
	return all, err
}
