package issues

import (
	"context"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type searchIssuesIn struct {
	Repo      string   `json:"repo,omitempty" jsonschema:"owner/name; all without it."`
	Query     string   `json:"query,omitempty" jsonschema:"Words."`
	Type      string   `json:"type,omitempty" jsonschema:"One kind." enum:"issues,pulls"`
	State     string   `json:"state,omitempty" jsonschema:"open without it." enum:"open,closed,all"`
	Labels    []string `json:"labels,omitempty" jsonschema:"Names."`
	Milestone string   `json:"milestone,omitempty" jsonschema:"Name."`
	Assignee  string   `json:"assignee,omitempty" jsonschema:"Login or @me; without repo only @me."`
	Author    string   `json:"author,omitempty" jsonschema:"Login."`
	kit.PageIn
}

type searchIssuesOut struct {
	Issues []issueRow `json:"issues"`
	kit.PageOut
}

type issueRow struct {
	Repo      string        `json:"repo,omitempty"`
	Number    int64         `json:"number"`
	Pull      bool          `json:"pull,omitempty"`
	Title     kit.Untrusted `json:"title"`
	State     string        `json:"state"`
	Author    string        `json:"author,omitempty"`
	Labels    kit.Untrusted `json:"labels,omitempty"`
	Assignees []string      `json:"assignees,omitempty"`
	Updated   string        `json:"updated"`
}

func rowOf(i api.Issue) issueRow {
	return issueRow{"", i.Number, i.Pull != nil, show.Clip(i.Title, 200), i.State, i.Author(), show.Join(i.LabelNames(), ", ", 300), api.Logins(i.Assignees), kit.Time(i.Updated)}
}

func (t Tools) searchIssues(ctx context.Context, c *kit.Call, in searchIssuesIn) (out searchIssuesOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	f := api.IssueSearch{Query: in.Query, State: in.State, Type: in.Type, Labels: in.Labels, Milestone: in.Milestone, CreatedBy: in.Author}
	if in.Repo == "" {
		return t.everywhere(ctx, c, in, f, w)
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	if f.AssignedTo, err = access.Login(ctx, r.Session, in.Assignee); err != nil {
		return out, err
	}
	if f.CreatedBy, err = access.Login(ctx, r.Session, in.Author); err != nil {
		return out, err
	}
	found, total, err := r.Issues(ctx, w, f)
	if err != nil {
		return out, err
	}
	all := make([]issueRow, len(found))
	for i, one := range found {
		all[i] = rowOf(one)
	}
	out.Issues, out.PageOut = kit.Fit(w, all, total)
	return out, nil
}

// everywhere searches all repositories, and shows those that the operator allows.
func (t Tools) everywhere(ctx context.Context, c *kit.Call, in searchIssuesIn, f api.IssueSearch, w kit.Window) (out searchIssuesOut, err error) {
	if in.Assignee != "" && in.Assignee != access.Myself {
		return out, fault.New(fault.Invalid, "In all repositories the assignee can only be @me. Name a repo, or leave the assignee out.")
	}
	session, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	f.Assigned = in.Assignee == access.Myself
	if f.CreatedBy, err = access.Login(ctx, session, in.Author); err != nil {
		return out, err
	}
	found, total, err := session.SearchIssues(ctx, w, f)
	if err != nil {
		return out, err
	}
	all := make([]issueRow, len(found))
	for i, one := range found {
		all[i] = rowOf(one)
		all[i].Repo = repoOf(one)
	}
	all, out.PageOut = kit.Fit(w, all, total)
	out.Issues = slices.DeleteFunc(all, func(r issueRow) bool { return !t.Repos.Allows(r.Repo) })
	return out, nil
}

// GetIssueIn is the input of get_issue.
type GetIssueIn struct {
	access.NumberIn
	kit.PageIn
}

// GetIssueOut is its output.
type GetIssueOut struct {
	issueRow
	Body      kit.Untrusted `json:"body,omitempty"`
	Milestone kit.Untrusted `json:"milestone,omitempty"`
	Created   string        `json:"created"`
	URL       string        `json:"url"`
	Thread    []commentRow  `json:"comments"`
	kit.PageOut
}

type commentRow struct {
	ID     int64         `json:"id"`
	Author string        `json:"author"`
	Date   string        `json:"date"`
	Body   kit.Untrusted `json:"body"`
}

// GetIssue reads an issue with a page of its comments.
func (t Tools) GetIssue(ctx context.Context, c *kit.Call, in GetIssueIn) (out GetIssueOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	i, err := r.Issue(ctx, in.Number)
	if err != nil {
		return out, err
	}
	comments, err := r.Comments(ctx, in.Number)
	if err != nil {
		return out, err
	}
	out = GetIssueOut{issueRow: rowOf(i), Body: show.Clip(i.Body, show.BodyRoom), Created: kit.Time(i.Created), URL: i.HTMLURL}
	if i.Milestone != nil {
		out.Milestone = show.Clip(i.Milestone.Title, 100)
	}
	out.Thread, out.PageOut = thread(comments, w)
	return out, nil
}

// thread is a page of comments that leaves room for what stands before it.
func thread(comments []api.Comment, w kit.Window) ([]commentRow, kit.PageOut) {
	all := make([]commentRow, len(comments))
	for i, one := range comments {
		all[i] = commentRow{one.ID, one.Author(), kit.Time(one.Created), show.Clip(one.Body, show.NoteRoom)}
	}
	start := min(w.Offset, len(all))
	page := all[start:min(start+w.Limit, len(all))]
	return kit.Fit(w, show.Within(page, show.TextRoom-show.BodyRoom-show.NoteRoom), len(all))
}

type saveIssueIn struct {
	access.RepoIn
	Number    int64    `json:"number,omitempty" jsonschema:"Change this one."`
	Title     string   `json:"title,omitempty" jsonschema:"Needed for a new one."`
	Body      *string  `json:"body,omitempty" jsonschema:"Markdown."`
	State     string   `json:"state,omitempty" jsonschema:"For a change." enum:"open,closed"`
	Labels    []string `json:"labels,omitzero" jsonschema:"Names; these and no others."`
	Milestone *string  `json:"milestone,omitempty" jsonschema:"Name; empty takes it away."`
	Assignees []string `json:"assignees,omitzero" jsonschema:"Logins; these and no others."`
}

func (t Tools) saveIssue(ctx context.Context, c *kit.Call, in saveIssueIn) (out access.Saved, err error) {
	switch {
	case in.Number == 0 && (strings.TrimSpace(in.Title) == "" || in.State != ""):
		return out, fault.New(fault.Invalid, "A new issue needs a title and takes no state. Add the title, or the number of the issue to change.")
	case in.Number != 0 && in.Title == "" && in.Body == nil && in.State == "" && in.Labels == nil && in.Milestone == nil && in.Assignees == nil:
		return out, fault.New(fault.Invalid, "Nothing to change is given. Send title, body, state, labels, milestone or assignees.")
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	edit, err := resolve(ctx, r, in)
	if err != nil {
		return out, err
	}
	if in.Number == 0 {
		i, err := r.CreateIssue(ctx, edit)
		if err == nil {
			c.Undo("save_issue", saveIssueIn{RepoIn: in.RepoIn, Number: i.Number, State: "closed"})
		}
		return access.Saved{Number: i.Number, State: i.State, URL: i.HTMLURL}, err
	}
	return changeIssue(ctx, c, r, in, edit)
}

// changeIssue changes what is given, and tells how it was.
func changeIssue(ctx context.Context, c *kit.Call, r api.Repo, in saveIssueIn, edit api.IssueEdit) (out access.Saved, err error) {
	before, err := r.Issue(ctx, in.Number)
	if err != nil {
		return out, err
	}
	after := before
	if in.Title != "" || in.Body != nil || in.State != "" || in.Milestone != nil || in.Assignees != nil {
		if after, err = r.EditIssue(ctx, in.Number, edit); err != nil {
			return out, err
		}
	}
	if in.Labels != nil {
		if _, err := r.SetLabels(ctx, in.Number, edit.Labels); err != nil {
			return out, fault.Wrap(err, fault.CodeOf(err), "The labels were not set; whatever else was given is changed. %s", fault.PublicOf(err))
		}
	}
	c.Undo("save_issue", inverse(in, before))
	return access.Saved{Number: after.Number, State: after.State, URL: after.HTMLURL}, nil
}

// inverse sets what a change has set to what it was.
func inverse(in saveIssueIn, before api.Issue) saveIssueIn {
	undo := saveIssueIn{RepoIn: in.RepoIn, Number: in.Number}
	if in.Title != "" {
		undo.Title = before.Title
	}
	if in.Body != nil {
		undo.Body = &before.Body
	}
	if in.State != "" {
		undo.State = before.State
	}
	if in.Labels != nil {
		undo.Labels = before.LabelNames()
	}
	if in.Assignees != nil {
		undo.Assignees = api.Logins(before.Assignees)
	}
	if in.Milestone != nil {
		name := ""
		if before.Milestone != nil {
			name = before.Milestone.Title
		}
		undo.Milestone = &name
	}
	return undo
}

// resolve finds labels and a milestone by their names. An unknown one changes nothing.
func resolve(ctx context.Context, r api.Repo, in saveIssueIn) (e api.IssueEdit, err error) {
	e = api.IssueEdit{Title: in.Title, Body: in.Body, State: in.State, Assignees: in.Assignees}
	if in.Labels != nil {
		if e.Labels, err = labelIDs(ctx, r, in.Labels); err != nil {
			return e, err
		}
	}
	if in.Milestone == nil {
		return e, nil
	}
	id, err := milestoneID(ctx, r, *in.Milestone)
	e.Milestone = &id
	return e, err
}

func labelIDs(ctx context.Context, r api.Repo, wanted []string) ([]int64, error) {
	ids, unknown := []int64{}, []string{}
	if len(wanted) == 0 {
		return ids, nil
	}
	known, err := r.Labels(ctx, kit.Window{Limit: 1000})
	if err != nil {
		return nil, err
	}
	for _, name := range wanted {
		i := slices.IndexFunc(known, func(l api.Label) bool { return strings.EqualFold(l.Name, name) })
		if i < 0 {
			unknown = append(unknown, name)
			continue
		}
		ids = append(ids, known[i].ID)
	}
	if len(unknown) > 0 {
		return nil, fault.New(fault.NotFound, "%s has no label %s, so nothing was changed. get_repo with include labels shows what there is.", r, strings.Join(unknown, ", "))
	}
	return ids, nil
}

// milestoneID is 0 for none.
func milestoneID(ctx context.Context, r api.Repo, name string) (int64, error) {
	if name == "" {
		return 0, nil
	}
	known, err := r.Milestones(ctx, kit.Window{Limit: 1000})
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(known, func(m api.Milestone) bool { return strings.EqualFold(m.Title, name) })
	if i < 0 {
		return 0, fault.New(fault.NotFound, "%s has no open milestone %s, so nothing was changed. get_repo with include milestones shows what there is.", r, name)
	}
	return known[i].ID, nil
}

type addCommentIn struct {
	access.NumberIn
	Body   string `json:"body,omitempty" jsonschema:"Markdown."`
	ID     int64  `json:"comment_id,omitempty" jsonschema:"Change this comment."`
	Delete bool   `json:"delete,omitempty" jsonschema:"Delete it instead."`
}

type commentOut struct {
	ID int64 `json:"id"`
}

func (t Tools) addComment(ctx context.Context, c *kit.Call, in addCommentIn) (out commentOut, err error) {
	if blank := strings.TrimSpace(in.Body) == ""; in.Delete != blank || in.Delete && in.ID == 0 {
		return out, fault.New(fault.Invalid, "Send body, with comment_id to change a comment; or comment_id and delete, without body.")
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	if in.ID == 0 {
		done, err := r.AddComment(ctx, in.Number, in.Body)
		return commentOut{done.ID}, err
	}
	old, err := r.Comment(ctx, in.ID)
	if err != nil {
		return out, err
	}
	if !old.On(in.Number) {
		return out, fault.New(fault.Invalid, "The comment %d is not on number %d. get_issue shows the comments with their ids.", in.ID, in.Number)
	}
	if !in.Delete {
		done, err := r.EditComment(ctx, in.ID, in.Body)
		return commentOut{done.ID}, err
	}
	asked := kit.Preview{
		Target: access.Numbered(r, in.Number), Effect: "Deletes the comment of " + old.Author() + ", for good:\n" + show.Plain(string(show.Clip(old.Body, show.NoteRoom))),
		Bound: access.Bound(access.Numbered(r, in.Number), old.Author(), old.Body),
	}
	if err := access.Approve(c, asked); err != nil {
		return out, err
	}
	return commentOut{ID: in.ID}, r.DeleteComment(ctx, in.ID)
}
