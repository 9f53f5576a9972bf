package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Pull is a pull request.
type Pull struct {
	Issue
	Draft        bool   `json:"draft"`
	Mergeable    bool   `json:"mergeable"`
	Merged       bool   `json:"merged"`
	MergeCommit  string `json:"merge_commit_sha"`
	Base         End    `json:"base"`
	MergeBase    string `json:"merge_base"` // where the difference starts
	Head         End    `json:"head"`
	Additions    int    `json:"additions"`
	Deletions    int    `json:"deletions"`
	ChangedFiles int    `json:"changed_files"`
	Reviewers    []User `json:"requested_reviewers"`
}

// End is one of the two branches of a pull request.
type End struct {
	Label string `json:"label"` // user:branch where it is in a fork
	Ref   string `json:"ref"`
	SHA   string `json:"sha"`
}

// PullSearch says which pull requests are listed.
type PullSearch struct{ State, Sort, Author, Base string }

// Pulls lists pull requests.
func (r Repo) Pulls(ctx context.Context, w Window, f PullSearch) ([]Pull, int, error) {
	q := url.Values{}
	setIf(q, "state", f.State)
	setIf(q, "sort", f.Sort)
	setIf(q, "poster", f.Author)
	setIf(q, "base_branch", f.Base)
	return list[Pull](ctx, r.Session, w, r.path("pulls"), q, "pull requests of "+r.String())
}

func (r Repo) pull(n int64) string { return "pull request " + digits(n) + " of " + r.String() }

// ReadPull reads one pull request.
func (r Repo) ReadPull(ctx context.Context, n int64) (p Pull, err error) {
	return p, r.get(ctx, r.path("pulls", digits(n)), nil, &p, r.pull(n))
}

// NewPull is a pull request to open. Head is a branch, or user:branch in a fork.
type NewPull struct {
	IssueEdit
	Head string `json:"head"`
	Base string `json:"base"`
}

// CreatePull opens a pull request.
func (r Repo) CreatePull(ctx context.Context, n NewPull) (p Pull, err error) {
	return p, r.send(ctx, http.MethodPost, r.path("pulls"), n, &p, "one of the branches, or "+r.String())
}

// PullEdit is what is set of a pull request beside what an issue has.
type PullEdit struct {
	IssueEdit
	Base string `json:"base,omitempty"`
}

// EditPull changes a pull request.
func (r Repo) EditPull(ctx context.Context, n int64, e PullEdit) (p Pull, err error) {
	e.Labels = nil
	return p, r.send(ctx, http.MethodPatch, r.path("pulls", digits(n)), e, &p, r.pull(n))
}

// RequestReviews asks people for reviews.
func (r Repo) RequestReviews(ctx context.Context, n int64, reviewers []string) error {
	body := struct {
		Reviewers []string `json:"reviewers"`
	}{reviewers}
	return r.send(ctx, http.MethodPost, r.path("pulls", digits(n), "requested_reviewers"), body, nil, "one of the reviewers, or "+r.pull(n))
}

// PullFile is a file that a pull request changes.
type PullFile struct {
	Name      string `json:"filename"`
	Before    string `json:"previous_filename"`
	Status    string `json:"status"`
	Additions int    `json:"additions"`
	Deletions int    `json:"deletions"`
}

// PullFiles lists the files that a pull request changes.
func (r Repo) PullFiles(ctx context.Context, n int64, w Window) ([]PullFile, int, error) {
	return list[PullFile](ctx, r.Session, w, r.path("pulls", digits(n), "files"), nil, r.pull(n))
}

// PullDiff is the difference that a pull request makes.
func (r Repo) PullDiff(ctx context.Context, n int64) (string, error) {
	return r.text(ctx, r.path("pulls", digits(n)+".diff"), r.pull(n))
}

// Review is a review.
type Review struct {
	ID        int64     `json:"id"`
	User      *User     `json:"user"`
	State     string    `json:"state"` // APPROVED, REQUEST_CHANGES, COMMENT, PENDING, REQUEST_REVIEW
	Body      string    `json:"body"`
	CommitID  string    `json:"commit_id"`
	Stale     bool      `json:"stale"`
	Dismissed bool      `json:"dismissed"`
	Comments  int       `json:"comments_count"`
	Submitted time.Time `json:"submitted_at"`
	HTMLURL   string    `json:"html_url"`
}

// Author is who reviews.
func (v Review) Author() string { return v.User.name() }

// Reviews lists the reviews of a pull request, oldest first.
func (r Repo) Reviews(ctx context.Context, n int64, w Window) ([]Review, int, error) {
	return list[Review](ctx, r.Session, w, r.path("pulls", digits(n), "reviews"), nil, r.pull(n))
}

// LineComment is a comment on a line of a review.
type LineComment struct {
	Path    string `json:"path"`
	Body    string `json:"body"`
	Line    int    `json:"position"`          // in the new file, or 0
	OldLine int    `json:"original_position"` // in the old file, or 0
	User    *User  `json:"user"`
}

// Author is who wrote it.
func (c LineComment) Author() string { return c.User.name() }

// ReviewComments lists the comments of a review.
func (r Repo) ReviewComments(ctx context.Context, n, review int64) (all []LineComment, err error) {
	return all, r.get(ctx, r.path("pulls", digits(n), "reviews", digits(review), "comments"), nil, &all, "review "+digits(review)+" of "+r.pull(n))
}

// NewReview is a review to send.
type NewReview struct {
	Event    string           `json:"event"`
	Body     string           `json:"body"`
	CommitID string           `json:"commit_id,omitempty"`
	Comments []NewLineComment `json:"comments,omitempty"`
}

// NewLineComment is a comment on a line of the new file, or of the old one.
type NewLineComment struct {
	Path string `json:"path"`
	Body string `json:"body"`
	New  int    `json:"new_position"`
	Old  int    `json:"old_position"`
}

// CreateReview sends a review with its comments.
func (r Repo) CreateReview(ctx context.Context, n int64, v NewReview) (out Review, err error) {
	return out, r.send(ctx, http.MethodPost, r.path("pulls", digits(n), "reviews"), v, &out, r.pull(n))
}

// Merge is how a pull request is merged.
type Merge struct {
	Style   string `json:"Do"`
	Title   string `json:"MergeTitleField,omitempty"`
	Message string `json:"MergeMessageField,omitempty"`
	Head    string `json:"head_commit_id,omitempty"` // refuse if the head is another
	Delete  bool   `json:"delete_branch_after_merge"`
	Later   bool   `json:"merge_when_checks_succeed,omitempty"`
}

// MergePull merges. scheduled says that it will be merged when the checks succeed.
func (r Repo) MergePull(ctx context.Context, n int64, m Merge) (scheduled bool, err error) {
	a, err := r.call(ctx, request(http.MethodPost, r.path("pulls", digits(n), "merge"), m, r.pull(n)))
	return a.Status == http.StatusCreated, err
}
