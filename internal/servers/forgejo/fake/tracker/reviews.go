package tracker

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/gitstore"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

// requestReview asks (POST, 201) or no longer asks (DELETE, 204); swagger
// PullReviewRequestOptions.
func (c call) requestReview(i *forge.Issue) exchange.Reply {
	var in struct {
		Reviewers     []string `json:"reviewers"`
		TeamReviewers []string `json:"team_reviewers"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if i.Closed != nil {
		return c.Fail(http.StatusForbidden, "cannot request a re-review on a closed PR [pr_id: %d]", i.ID)
	}
	if c.R.Method == http.MethodDelete {
		i.Pull.Reviews = slices.DeleteFunc(i.Pull.Reviews, func(r *forge.Review) bool {
			return r.State == forge.Requested && slices.Contains(in.Reviewers, r.By.Login)
		})
		return exchange.Empty(http.StatusNoContent)
	}
	made, rep := c.ask(i, in.Reviewers)
	if rep != nil {
		return *rep
	}
	c.Forge.Notify(i, c.User)
	return exchange.Created(shape.Each(made, c.V.Review(i)))
}

func (c call) ask(i *forge.Issue, names []string) ([]*forge.Review, *exchange.Reply) {
	var people []*forge.User
	for _, name := range names {
		u := c.Forge.User(name)
		if u == nil {
			return nil, new(c.Missing(fmt.Sprintf("user does not exist [uid: 0, name: %s]", name)))
		}
		if u == i.By {
			return nil, new(c.Invalid("review request for user %s is not valid: poster of pr can't be reviewer [user_id: %d, repo_id: %d]", u.Login, u.ID, c.Repo.ID))
		}
		people = append(people, u)
	}
	var made []*forge.Review
	for _, u := range people {
		r := &forge.Review{ID: c.Forge.ID(), By: u, State: forge.Requested, SHA: i.Pull.HeadSHA, At: c.Forge.Now()}
		r.Updated = r.At
		made = append(made, r)
	}
	i.Pull.Reviews = append(i.Pull.Reviews, made...)
	return made, nil
}

func (c call) mayRead(r *forge.Review) bool { return r.State != forge.Pending || r.By == c.User }

// reviews hides pending ones of others.
func (c call) reviews(i *forge.Issue) exchange.Reply {
	rows := slices.DeleteFunc(slices.Clone(i.Pull.Reviews), func(r *forge.Review) bool { return !c.mayRead(r) })
	return exchange.List(c.Call, rows, c.V.Review(i))
}

// onReview finds the review of the path.
func onReview(serve func(call, *forge.Issue, *forge.Review) exchange.Reply) func(call) exchange.Reply {
	return onPull(func(c call, i *forge.Issue) exchange.Reply {
		r := forge.Find(i.Pull.Reviews, func(r *forge.Review) bool { return r.ID == c.VarID("id") })
		if r == nil || !c.mayRead(r) {
			return c.Missing()
		}
		return serve(c, i, r)
	})
}

func (c call) getReview(i *forge.Issue, r *forge.Review) exchange.Reply {
	return exchange.OK(c.V.Review(i)(r))
}

func (c call) remarks(i *forge.Issue, r *forge.Review) exchange.Reply {
	return exchange.OK(shape.Each(r.Remarks, c.V.Remark(i, r)))
}

// event checks what a review says about a pull request, and turns it into a state; any
// other word leaves it pending (Gitea 1.26, Forgejo).
func (c call) event(i *forge.Issue, event, body string, remarks bool) (string, *exchange.Reply) {
	blank := strings.TrimSpace(body) == ""
	switch {
	case event == forge.Approved && i.By == c.User: // ref 4.2
		return "", new(c.Invalid("approve your own pull is not allowed"))
	case event == forge.Rejected && i.By == c.User:
		return "", new(c.Invalid("reject your own pull is not allowed"))
	case event == forge.Approved:
		return event, nil
	case event == forge.Commented && blank && !remarks:
		return "", new(c.Invalid("review event %s requires a body or a comment", event))
	case event == forge.Commented:
		return event, nil
	case blank:
		return "", new(c.Invalid("review event %s requires a body", event))
	case event == forge.Rejected:
		return event, nil
	}
	return forge.Pending, nil
}

// createReview is swagger CreatePullReviewOptions and answers 200. A remark on a line that
// the diff does not show is kept without a hunk. One beyond the end of the new file is 500,
// and the remarks ahead of it stay behind, pending; they become part of the user's next
// review (seen with Gitea 1.26).
func (c call) createReview(i *forge.Issue) exchange.Reply {
	var in struct {
		Event    string `json:"event"`
		Body     string `json:"body"`
		CommitID string `json:"commit_id"`
		Comments []struct {
			Path string `json:"path"`
			Body string `json:"body"`
			Old  int    `json:"old_position"`
			New  int    `json:"new_position"`
		} `json:"comments"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	state, rep := c.event(i, in.Event, in.Body, len(in.Comments) > 0)
	if rep != nil {
		return *rep
	}
	if i.Closed != nil && (state == forge.Approved || state == forge.Rejected) {
		return c.Invalid("can't submit review for a closed or merged PR")
	}
	r := forge.Find(i.Pull.Reviews, func(r *forge.Review) bool { return r.By == c.User && r.State == forge.Pending })
	if r == nil {
		r = &forge.Review{ID: c.Forge.ID(), By: c.User}
		i.Pull.Reviews = append(i.Pull.Reviews, r)
	}
	changes := i.Changes()
	for _, in := range in.Comments {
		m := &forge.Remark{ID: c.Forge.ID(), Path: in.Path, Body: in.Body, Line: in.New}
		if in.Old > 0 {
			m.Line, m.Old = in.Old, true
		} else if text, there := c.headFile(i, in.Path); there && in.New > strings.Count(text+"\n", "\n") {
			c.submit(i, r, forge.Pending, "", i.Pull.HeadSHA)
			return c.Broken()
		}
		if n := slices.IndexFunc(changes, func(ch gitstore.Change) bool { return ch.Path == in.Path }); n >= 0 {
			m.Hunk = changes[n].Excerpt(m.Line, m.Old)
		}
		r.Remarks = append(r.Remarks, m)
	}
	c.submit(i, r, state, in.Body, exchange.Or(in.CommitID, i.Pull.HeadSHA))
	return exchange.OK(c.V.Review(i)(r))
}

func (c call) headFile(i *forge.Issue, path string) (string, bool) {
	text, there := c.Repo.Git.Blobs[c.Repo.Git.Commits[i.Pull.HeadSHA].Files[path]]
	return strings.TrimSuffix(text, "\n"), there
}

func (c call) submit(i *forge.Issue, r *forge.Review, state, body, sha string) {
	r.State, r.Body, r.SHA, r.At = state, exchange.Or(body, r.Body), sha, c.Forge.Now()
	r.Updated, i.Updated = r.At, r.At
	if state == forge.Pending {
		return
	}
	i.Pull.Reviews = slices.DeleteFunc(i.Pull.Reviews, func(o *forge.Review) bool { return o.State == forge.Requested && o.By == c.User })
	c.Forge.Notify(i, c.User)
}

// submitReview ends a pending one (swagger SubmitPullReviewOptions).
func (c call) submitReview(i *forge.Issue, r *forge.Review) exchange.Reply {
	var in struct {
		Event string `json:"event"`
		Body  string `json:"body"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if r.State != forge.Pending {
		return c.Invalid("only a pending review can be submitted")
	}
	state, rep := c.event(i, in.Event, in.Body, len(r.Remarks) > 0)
	if rep != nil {
		return *rep
	}
	if state == forge.Pending {
		return c.Invalid("review stay pending")
	}
	c.submit(i, r, state, in.Body, i.Pull.HeadSHA)
	return exchange.OK(c.V.Review(i)(r))
}

func (c call) deleteReview(i *forge.Issue, r *forge.Review) exchange.Reply {
	if r.By != c.User && !c.User.Admin {
		return exchange.Empty(http.StatusForbidden)
	}
	i.Pull.Reviews = slices.DeleteFunc(i.Pull.Reviews, func(o *forge.Review) bool { return o == r })
	return exchange.Empty(http.StatusNoContent)
}

// dismissReview is swagger DismissPullReviewOptions.
func (c call) dismissReview(i *forge.Issue, r *forge.Review) exchange.Reply {
	var in struct {
		Message string `json:"message"`
		Priors  bool   `json:"priors"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if c.May() < forge.Admin {
		return c.Fail(http.StatusForbidden, "Must be repo admin")
	}
	if r.State != forge.Approved && r.State != forge.Rejected {
		return c.Fail(http.StatusForbidden, "not need to dismiss this review because it's type is not Approve or change request")
	}
	r.Dismissed, r.Updated = true, c.Forge.Now()
	return exchange.OK(c.V.Review(i)(r))
}
