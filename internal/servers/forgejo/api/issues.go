package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Issue is an issue or, where Pull is set, a pull request.
type Issue struct {
	Number    int64      `json:"number"`
	Title     string     `json:"title"`
	Body      string     `json:"body"`
	State     string     `json:"state"`
	User      *User      `json:"user"`
	Labels    []Label    `json:"labels"`
	Assignees []User     `json:"assignees"`
	Milestone *Milestone `json:"milestone"`
	Comments  int        `json:"comments"`
	Created   time.Time  `json:"created_at"`
	Updated   time.Time  `json:"updated_at"`
	HTMLURL   string     `json:"html_url"`
	Pull      *struct{}  `json:"pull_request"`
	Repo      *struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
}

// Author is who opened it.
func (i Issue) Author() string { return i.User.name() }

// LabelNames are the names of its labels.
func (i Issue) LabelNames() []string { return labelNames(i.Labels) }

func labelNames(labels []Label) []string {
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = l.Name
	}
	return names
}

// IssueSearch says which issues are searched for. What is empty does not count.
type IssueSearch struct {
	Query, State, Type    string // Type is issues or pulls
	Labels                []string
	Milestone             string
	AssignedTo, CreatedBy string
	Assigned, Mentioned   bool // to the token's owner; not in one repository
	ReviewRequested       bool // from the token's owner; not in one repository
	Owner                 string
	Since                 time.Time
}

func (f IssueSearch) query() url.Values {
	q := url.Values{}
	setIf(q, "q", f.Query)
	setIf(q, "state", f.State)
	setIf(q, "type", f.Type)
	setIf(q, "labels", strings.Join(f.Labels, ","))
	setIf(q, "milestones", f.Milestone)
	setIf(q, "created_by", f.CreatedBy)
	setIf(q, "owner", f.Owner)
	if !f.Since.IsZero() {
		q.Set("since", f.Since.UTC().Format(time.RFC3339))
	}
	for key, set := range map[string]bool{"assigned": f.Assigned, "mentioned": f.Mentioned, "review_requested": f.ReviewRequested} {
		if set {
			q.Set(key, "true")
		}
	}
	return q
}

// SearchIssues lists issues of all repositories that the token sees.
func (s Session) SearchIssues(ctx context.Context, w Window, f IssueSearch) ([]Issue, int, error) {
	return list[Issue](ctx, s, w, "/repos/issues/search", f.query(), "issues")
}

// Issues lists issues of the repository.
func (r Repo) Issues(ctx context.Context, w Window, f IssueSearch) ([]Issue, int, error) {
	q := f.query()
	setIf(q, "assigned_by", f.AssignedTo)
	return list[Issue](ctx, r.Session, w, r.path("issues"), q, "issues of "+r.String())
}

func (r Repo) issue(n int64) string { return "issue " + digits(n) + " of " + r.String() }

// Issue reads one issue or pull request.
func (r Repo) Issue(ctx context.Context, n int64) (i Issue, err error) {
	return i, r.get(ctx, r.path("issues", digits(n)), nil, &i, r.issue(n))
}

// IssueEdit is what is set of an issue; nil leaves it as it is.
type IssueEdit struct {
	Title     string   `json:"title,omitempty"`
	Body      *string  `json:"body,omitempty"`
	State     string   `json:"state,omitempty"`
	Assignees []string `json:"assignees,omitempty"`
	Milestone *int64   `json:"milestone,omitempty"`
	Labels    []int64  `json:"labels,omitempty"` // counts only for a new one
}

// CreateIssue opens an issue.
func (r Repo) CreateIssue(ctx context.Context, e IssueEdit) (i Issue, err error) {
	return i, r.send(ctx, http.MethodPost, r.path("issues"), e, &i, "the repository "+r.String())
}

// EditIssue changes an issue or pull request.
func (r Repo) EditIssue(ctx context.Context, n int64, e IssueEdit) (i Issue, err error) {
	e.Labels = nil
	return i, r.send(ctx, http.MethodPatch, r.path("issues", digits(n)), e, &i, r.issue(n))
}

// SetLabels gives an issue these labels and no others.
func (r Repo) SetLabels(ctx context.Context, n int64, ids []int64) (labels []Label, err error) {
	body := struct {
		Labels []int64 `json:"labels"`
	}{ids}
	return labels, r.send(ctx, http.MethodPut, r.path("issues", digits(n), "labels"), body, &labels, r.issue(n))
}

// Comment is a comment on an issue or pull request.
type Comment struct {
	ID      int64     `json:"id"`
	Body    string    `json:"body"`
	User    *User     `json:"user"`
	Created time.Time `json:"created_at"`
	HTMLURL string    `json:"html_url"`
	// IssueURL and PullURL tell what it is on.
	IssueURL string `json:"issue_url"`
	PullURL  string `json:"pull_request_url"`
}

// Author is who wrote it.
func (c Comment) Author() string { return c.User.name() }

// On tells whether the comment is on this issue or pull request.
func (c Comment) On(n int64) bool {
	end := "/" + digits(n)
	return strings.HasSuffix(c.IssueURL, end) || strings.HasSuffix(c.PullURL, end)
}

// Comments lists all comments of an issue, oldest first. The API has no pages here.
func (r Repo) Comments(ctx context.Context, n int64) (all []Comment, err error) {
	return all, r.get(ctx, r.path("issues", digits(n), "comments"), nil, &all, r.issue(n))
}

// Comment reads one comment.
func (r Repo) Comment(ctx context.Context, id int64) (c Comment, err error) {
	return c, r.get(ctx, r.path("issues", "comments", digits(id)), nil, &c, "comment "+digits(id)+" of "+r.String())
}

type commentBody struct {
	Body string `json:"body"`
}

// AddComment comments on an issue or pull request.
func (r Repo) AddComment(ctx context.Context, n int64, text string) (c Comment, err error) {
	return c, r.send(ctx, http.MethodPost, r.path("issues", digits(n), "comments"), commentBody{text}, &c, r.issue(n))
}

// EditComment replaces the text of a comment.
func (r Repo) EditComment(ctx context.Context, id int64, text string) (c Comment, err error) {
	return c, r.send(ctx, http.MethodPatch, r.path("issues", "comments", digits(id)), commentBody{text}, &c, "comment "+digits(id)+" of "+r.String())
}

// DeleteComment removes a comment.
func (r Repo) DeleteComment(ctx context.Context, id int64) error {
	return r.send(ctx, http.MethodDelete, r.path("issues", "comments", digits(id)), nil, nil, "comment "+digits(id)+" of "+r.String())
}
