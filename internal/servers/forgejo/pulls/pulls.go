package pulls

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/diff"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type listPullsIn struct {
	access.RepoIn
	State  string `json:"state,omitempty" jsonschema:"open without it." enum:"open,closed,all"`
	Author string `json:"author,omitempty" jsonschema:"Login."`
	Base   string `json:"base,omitempty" jsonschema:"Branch to merge into."`
	kit.PageIn
}

type listPullsOut struct {
	Pulls []pullRow `json:"pulls"`
	kit.PageOut
}

type pullRow struct {
	Number  int64         `json:"number"`
	Title   kit.Untrusted `json:"title"`
	State   string        `json:"state"`
	Author  string        `json:"author"`
	Head    string        `json:"head"`
	Base    string        `json:"base"`
	Updated string        `json:"updated"`
}

func pullRowOf(p api.Pull) pullRow {
	return pullRow{p.Number, show.Clip(p.Title, 200), pullState(p), p.Author(), show.Ref(p.Head.Label), show.Ref(p.Base.Ref), kit.Time(p.Updated)}
}

func pullState(p api.Pull) string {
	switch {
	case p.Merged:
		return "merged"
	case p.State == "open" && p.Draft:
		return "draft"
	}
	return p.State
}

func (t Tools) listPulls(ctx context.Context, c *kit.Call, in listPullsIn) (out listPullsOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	author, err := access.Login(ctx, r.Session, in.Author)
	if err != nil {
		return out, err
	}
	found, total, err := r.Pulls(ctx, w, api.PullSearch{State: in.State, Author: author, Base: in.Base})
	if err != nil {
		return out, err
	}
	all := make([]pullRow, len(found))
	for i, p := range found {
		all[i] = pullRowOf(p)
	}
	all, out.PageOut = kit.Fit(w, all, total)
	out.Pulls = slices.DeleteFunc(all, func(p pullRow) bool { return in.Base != "" && p.Base != in.Base }) // which not every version looks at
	return out, nil
}

// GetPullOut is the output of get_pull_request.
type GetPullOut struct {
	pullRow
	Body      kit.Untrusted `json:"body,omitempty"`
	HeadSHA   string        `json:"head_sha"`
	Mergeable bool          `json:"mergeable"`
	Checks    string        `json:"checks,omitempty"`
	Failing   kit.Untrusted `json:"not_green,omitempty"`
	Reviews   []reviewRow   `json:"reviews,omitempty"`
	Wanted    []string      `json:"requested,omitempty"`
	NumFiles  int           `json:"changed_files"`
	Files     kit.Untrusted `json:"files"`
	URL       string        `json:"url"`
}

type reviewRow struct {
	Author   string          `json:"author"`
	State    string          `json:"state"`
	Stale    bool            `json:"stale,omitempty"`
	Body     kit.Untrusted   `json:"body,omitempty"`
	Comments []kit.Untrusted `json:"comments,omitempty"`
}

// Room in a description of a pull request.
const (
	mostFiles   = 100
	mostReviews = 30
)

// GetPull describes a pull request.
func (t Tools) GetPull(ctx context.Context, c *kit.Call, in access.NumberIn) (out GetPullOut, err error) {
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	p, err := r.ReadPull(ctx, in.Number)
	if err != nil {
		return out, err
	}
	out = GetPullOut{pullRow: pullRowOf(p), Body: show.Clip(p.Body, show.BodyRoom), HeadSHA: p.Head.SHA, Mergeable: p.Mergeable, Wanted: api.Logins(p.Reviewers), NumFiles: p.ChangedFiles, URL: p.HTMLURL}
	checks, err := r.Checks(ctx, p.Head.SHA)
	if err != nil {
		return out, err
	}
	state, others := notGreen(checks)
	out.Checks, out.Failing = state, show.Join(others, "\n", show.NoteRoom)
	if out.Reviews, err = reviews(ctx, r, in.Number); err != nil {
		return out, err
	}
	files, total, err := r.PullFiles(ctx, in.Number, kit.Window{Limit: mostFiles})
	lines := []string{}
	for _, f := range files {
		lines = append(lines, fmt.Sprintf("%s %s +%d -%d", f.Status, f.Name, f.Additions, f.Deletions))
	}
	out.Files, out.NumFiles = show.Join(lines, "\n", show.BodyRoom), max(out.NumFiles, total)
	return out, err
}

// notGreen is the state of all checks, and those that are not successful. The API tells
// a state, too, but only of the page that it gives.
func notGreen(checks []api.Check) (state string, others []string) {
	if len(checks) == 0 {
		return "", nil
	}
	state = "success"
	for _, one := range checks {
		switch one.Status {
		case "success", "skipped":
			continue
		case "failure", "error":
			state = "failure"
		default: // pending, warning, and what is not known
			if state == "success" {
				state = "pending"
			}
		}
		others = append(others, one.Context+": "+one.Status)
	}
	return state, others
}

// reviews are the newest reviews, newest first, with what they say about lines.
func reviews(ctx context.Context, r api.Repo, n int64) ([]reviewRow, error) {
	found, total, err := r.Reviews(ctx, n, kit.Window{Limit: mostReviews})
	if err == nil && total > mostReviews {
		found, _, err = r.Reviews(ctx, n, kit.Window{Offset: total - mostReviews, Limit: mostReviews})
	}
	if err != nil {
		return nil, err
	}
	var all []reviewRow
	for _, v := range slices.Backward(found) {
		if v.State == "REQUEST_REVIEW" { // shown as requested
			continue
		}
		row := reviewRow{Author: v.Author(), State: strings.ToLower(v.State), Stale: v.Stale || v.Dismissed, Body: show.Clip(v.Body, show.NoteRoom)}
		if v.Comments > 0 {
			comments, err := r.ReviewComments(ctx, n, v.ID)
			if err != nil {
				return nil, err
			}
			for _, one := range comments {
				row.Comments = append(row.Comments, show.Clip(fmt.Sprintf("%s:%d: %s", one.Path, max(one.Line, one.OldLine), one.Body), show.NoteRoom))
			}
		}
		all = append(all, row)
	}
	return show.Within(all, show.BodyRoom), nil
}

type pullDiffIn struct {
	access.NumberIn
	Path   string `json:"path,omitempty" jsonschema:"Only this file, generated or not."`
	Offset int    `json:"offset,omitempty" jsonschema:"Line to go on from."`
}

// pullDiff shows the difference as it is: as JSON it would cost twice as much.
func (t Tools) pullDiff(ctx context.Context, c *kit.Call, in pullDiffIn) (kit.Text, error) {
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return "", err
	}
	text, err := r.PullDiff(ctx, in.Number)
	if err != nil {
		return "", err
	}
	files := diff.Parse(text)
	if in.Path != "" {
		one, ok := diff.Find(files, in.Path)
		if !ok {
			return "", fault.New(fault.NotFound, "%s does not change %s. get_pull_request shows the files.", access.Numbered(r, in.Number), in.Path)
		}
		files = []diff.File{one}
	}
	var body, skipped strings.Builder
	shown := 0
	for _, f := range files {
		if f.Binary || in.Path == "" && diff.Generated(f.Path) {
			fmt.Fprintf(&skipped, "%s (+%d -%d)\n", f.Path, f.Additions, f.Deleted)
			continue
		}
		shown++
		body.WriteString(f.Text)
	}
	part, next, err := show.Lines(show.Plain(body.String()), in.Offset)
	if err != nil {
		return "", err
	}
	out := fmt.Sprintf("%s: %d of %d files.\n", access.Numbered(r, in.Number), shown, len(files))
	if skipped.Len() > 0 {
		out += "Not shown, because generated or binary:\n" + c.Outside(string(show.Clip(show.Plain(skipped.String()), show.NoteRoom))) + "\n"
	}
	out += c.Outside(part)
	if next > 0 {
		out += fmt.Sprintf("\nThere is more: go on with offset %d.", next)
	}
	return kit.Text(out), nil
}

type createPullIn struct {
	access.RepoIn
	Number    int64    `json:"number,omitempty" jsonschema:"Change this one."`
	Title     string   `json:"title,omitempty" jsonschema:"Needed for a new one."`
	Body      *string  `json:"body,omitempty" jsonschema:"Markdown."`
	Head      string   `json:"head,omitempty" jsonschema:"Branch; user:branch in a fork."`
	Base      string   `json:"base,omitempty" jsonschema:"Branch to merge into."`
	Draft     bool     `json:"draft,omitempty" jsonschema:"As work in progress."`
	State     string   `json:"state,omitempty" jsonschema:"For a change." enum:"open,closed"`
	Reviewers []string `json:"reviewers,omitempty" jsonschema:"Logins."`
}

func (t Tools) createPull(ctx context.Context, c *kit.Call, in createPullIn) (out access.Saved, err error) {
	switch fresh := in.Number == 0; {
	case fresh && (strings.TrimSpace(in.Title) == "" || in.Head == "" || in.State != ""):
		return out, fault.New(fault.Invalid, "A new pull request needs title and head and takes no state. Add them, or the number of the one to change.")
	case !fresh && (in.Head != "" || in.Draft):
		return out, fault.New(fault.Invalid, "head and draft are for a new pull request. Leave them out, or the number.")
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	p, err := putPull(ctx, r, in)
	if err != nil {
		return out, err
	}
	out = access.Saved{Number: p.Number, State: pullState(p), URL: p.HTMLURL}
	if len(in.Reviewers) == 0 {
		return out, nil
	}
	if err := r.RequestReviews(ctx, p.Number, in.Reviewers); err != nil {
		return out, fault.Wrap(err, fault.CodeOf(err), "%s is saved, but nobody was asked for a review. %s Call again with its number and reviewers alone.", access.Numbered(r, p.Number), fault.PublicOf(err))
	}
	return out, nil
}

// putPull opens or changes a pull request; with reviewers alone it only reads it.
func putPull(ctx context.Context, r api.Repo, in createPullIn) (p api.Pull, err error) {
	edit := api.IssueEdit{Title: in.Title, Body: in.Body, State: in.State}
	if in.Number != 0 {
		if in.Title == "" && in.Body == nil && in.State == "" && in.Base == "" {
			if len(in.Reviewers) == 0 {
				return p, fault.New(fault.Invalid, "Nothing to change is given. Send title, body, state, base or reviewers.")
			}
			return r.ReadPull(ctx, in.Number)
		}
		return r.EditPull(ctx, in.Number, api.PullEdit{IssueEdit: edit, Base: in.Base})
	}
	if in.Base == "" {
		facts, err := r.Facts(ctx)
		if err != nil {
			return p, err
		}
		in.Base = facts.DefaultBranch
	}
	if in.Draft {
		edit.Title = "WIP: " + edit.Title // the prefix that makes a draft in both systems
	}
	return r.CreatePull(ctx, api.NewPull{IssueEdit: edit, Head: in.Head, Base: in.Base})
}
