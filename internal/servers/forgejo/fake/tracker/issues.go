package tracker

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

// between reads since and before; what is no time is 422.
func (c call) between() (since, before time.Time, rep *exchange.Reply) {
	for name, into := range map[string]*time.Time{"since": &since, "before": &before} {
		if v := strings.TrimSpace(c.Query.Get(name)); v != "" {
			t, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return since, before, new(c.Invalid("%s", err))
			}
			*into = t
		}
	}
	return since, before, nil
}

func within(t, since, before time.Time) bool {
	return (since.IsZero() || !t.Before(since)) && (before.IsZero() || !t.After(before))
}

// issues lists newest first, pull requests among them unless type says otherwise
// (ref 4.2). Labels and milestones go by name; names nobody knows do not filter.
func (c call) issues() exchange.Reply {
	since, before, rep := c.between()
	if rep != nil {
		return *rep
	}
	people := map[string]*forge.User{}
	for _, name := range []string{"created_by", "assigned_by", "mentioned_by"} {
		if login := c.Query.Get(name); login != "" {
			if people[name] = c.Forge.User(login); people[name] == nil {
				return c.Missing()
			}
		}
	}
	labels := c.Repo.Label(c.CSV("labels")...)
	var roofs []*forge.Milestone
	for _, want := range c.CSV("milestones") {
		if m := forge.Find(c.Repo.Milestones, func(m *forge.Milestone) bool { return m.Title == want || strconv.FormatInt(m.ID, 10) == want }); m != nil {
			roofs = append(roofs, m)
		}
	}
	rows := slices.DeleteFunc(slices.Clone(c.Repo.Issues), func(i *forge.Issue) bool {
		by, to, at := people["created_by"], people["assigned_by"], people["mentioned_by"]
		return !c.filtered(i) || !within(i.Updated, since, before) || by != nil && i.By != by || to != nil && !slices.Contains(i.Assignees, to) ||
			at != nil && !i.Mentions(at) || slices.ContainsFunc(labels, func(l *forge.Label) bool { return !slices.Contains(i.Labels, l) }) ||
			roofs != nil && !slices.Contains(roofs, i.Milestone)
	})
	c.sort(rows)
	return exchange.List(c.Call, rows, c.V.Issue)
}

// sort orders issues; only Forgejo listens to the query.
func (c call) sort(rows []*forge.Issue) {
	by := "latest"
	if c.Profile.Forgejo() {
		by = exchange.Or(c.Query.Get("sort"), by)
	}
	slices.SortStableFunc(rows, func(a, b *forge.Issue) int {
		switch by {
		case "oldest":
			return cmp.Compare(a.ID, b.ID)
		case "recentupdate":
			return b.Updated.Compare(a.Updated)
		case "leastupdate":
			return a.Updated.Compare(b.Updated)
		case "mostcomment":
			return cmp.Compare(len(b.Comments), len(a.Comments))
		case "leastcomment":
			return cmp.Compare(len(a.Comments), len(b.Comments))
		}
		return cmp.Compare(b.ID, a.ID)
	})
}

// filtered is what both lists of issues share: state, type and words.
func (c call) filtered(i *forge.Issue) bool {
	if state := exchange.Or(c.Query.Get("state"), "open"); state != "all" && state != i.State() {
		return false
	}
	if kind := c.Query.Get("type"); kind == "pulls" && i.Pull == nil || kind == "issues" && i.Pull != nil {
		return false
	}
	return strings.Contains(strings.ToLower(i.Title+"\n"+i.Body), strings.ToLower(strings.TrimSpace(c.Query.Get("q"))))
}

// searchIssues looks through all repositories (ref 4.2). Any of the labels will do.
func (c call) searchIssues() exchange.Reply {
	since, before, rep := c.between()
	if rep != nil {
		return *rep
	}
	owner := c.Forge.User(c.Query.Get("owner"))
	if c.Query.Get("owner") != "" && owner == nil {
		return c.Fail(http.StatusBadRequest, "Owner not found")
	}
	mine := func(name string, is bool) bool { return c.User == nil || !c.Truth(name) || is }
	var rows []*forge.Issue
	for _, r := range c.Seen(func(r *forge.Repo) bool { return owner == nil || r.Owner == owner }) {
		labels := r.Label(c.CSV("labels")...)
		for _, i := range r.Issues {
			titled := i.Milestone != nil && slices.Contains(c.CSV("milestones"), i.Milestone.Title)
			labelled := slices.ContainsFunc(labels, func(l *forge.Label) bool { return slices.Contains(i.Labels, l) })
			if c.filtered(i) && within(i.Updated, since, before) && (len(c.CSV("labels")) == 0 || labelled) && (len(c.CSV("milestones")) == 0 || titled) &&
				mine("created", i.By == c.User) && mine("assigned", slices.Contains(i.Assignees, c.User)) && mine("mentioned", c.User != nil && i.Mentions(c.User)) &&
				mine("review_requested", c.reviewed(i, true)) && mine("reviewed", c.reviewed(i, false)) {
				rows = append(rows, i)
			}
		}
	}
	c.sort(rows)
	return exchange.List(c.Call, rows, c.V.Issue)
}

func (c call) reviewed(i *forge.Issue, requested bool) bool {
	return i.Pull != nil && slices.ContainsFunc(i.Pull.Reviews, func(r *forge.Review) bool {
		return r.By == c.User && (r.State == forge.Requested) == requested
	})
}

// onIssue finds the issue, or pull request, of the path.
func onIssue(serve func(call, *forge.Issue) exchange.Reply) func(call) exchange.Reply {
	return func(c call) exchange.Reply {
		i := c.Repo.Issue(c.VarID("index"))
		if i == nil {
			return c.Missing()
		}
		return serve(c, i)
	}
}

func (c call) getIssue(i *forge.Issue) exchange.Reply { return exchange.OK(c.V.Issue(i)) }

// issueOptions is swagger CreateIssueOption.
type issueOptions struct {
	Title     string     `json:"title" rule:"required"`
	Body      string     `json:"body"`
	Ref       string     `json:"ref"`
	Assignee  string     `json:"assignee"`
	Assignees []string   `json:"assignees"`
	Due       *time.Time `json:"due_date"`
	Milestone int64      `json:"milestone"`
	Labels    []int64    `json:"labels"`
	Closed    bool       `json:"closed"`
}

// createIssue ignores labels, milestone and assignees of those who cannot write.
func (c call) createIssue() exchange.Reply {
	var in issueOptions
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	var people []*forge.User
	if c.May() >= forge.Write {
		var rep *exchange.Reply
		if people, rep = c.assignable(append(in.Assignees, in.Assignee)); rep != nil {
			return *rep
		}
	}
	i := c.Forge.AddIssue(c.Repo, c.User, in.Title, in.Body)
	i.Ref = in.Ref
	if c.May() >= forge.Write {
		i.Assignees, i.Due, i.Labels = people, in.Due, c.labelsByID(in.Labels)
		i.Milestone = c.milestone(in.Milestone)
	}
	if in.Closed {
		c.Forge.Close(i, true)
	}
	c.Forge.Notify(i, c.User)
	return exchange.Created(c.V.Issue(i))
}

func (c call) assignable(names []string) ([]*forge.User, *exchange.Reply) {
	var people []*forge.User
	for _, name := range names {
		if name == "" {
			continue
		}
		u := c.Forge.User(name)
		if u == nil {
			return nil, new(c.Invalid("Assignee does not exist: [name: user does not exist [uid: 0, name: %s]]", name))
		}
		if c.Forge.Level(u, c.Repo) == forge.None { // who reads pull requests may be given some
			return nil, new(c.Invalid("user doesn't have access to repo [user_id: %d, repo_name: %s]", u.ID, c.Repo.Name))
		}
		people = append(people, u)
	}
	return people, nil
}

// labelsByID drops what it does not know (ref 4.2).
func (c call) labelsByID(ids []int64) []*forge.Label {
	var out []*forge.Label
	for _, l := range c.Repo.Labels {
		if slices.Contains(ids, l.ID) {
			out = append(out, l)
		}
	}
	return out
}

func (c call) milestone(id int64) *forge.Milestone {
	return forge.Find(c.Repo.Milestones, func(m *forge.Milestone) bool { return m.ID == id })
}

// issueEdit is swagger EditIssueOption; what was not sent stays.
type issueEdit struct {
	Title     string     `json:"title"`
	Body      *string    `json:"body"`
	Ref       *string    `json:"ref"`
	Assignee  *string    `json:"assignee"`
	Assignees []string   `json:"assignees"`
	Milestone *int64     `json:"milestone"`
	State     *string    `json:"state"`
	Due       *time.Time `json:"due_date"`
	NoDue     *bool      `json:"unset_due_date"`
	Version   *int       `json:"content_version"`
	Updated   *time.Time `json:"updated_at"`
}

// editIssue answers 201 (ref 4.2). Of those who cannot write the poster may change texts
// and the state; all else of theirs is ignored.
func (c call) editIssue(i *forge.Issue) exchange.Reply {
	var in issueEdit
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if rep := c.edit(i, in); rep != nil {
		return *rep
	}
	return exchange.Created(c.V.Issue(i))
}

func (c call) edit(i *forge.Issue, in issueEdit) *exchange.Reply {
	write := c.May() >= forge.Write
	if i.By != c.User && !write {
		return new(exchange.Empty(http.StatusForbidden))
	}
	if in.Version != nil && *in.Version != i.Version && !c.Profile.Forgejo() {
		return new(c.Fail(http.StatusConflict, "the issue is already changed"))
	}
	if in.State != nil {
		switch {
		case i.Pull != nil && i.Pull.MergedAt != nil:
			return new(c.Fail(http.StatusPreconditionFailed, "cannot change state of this pull request, it was already merged"))
		case *in.State != "open" && *in.State != "closed":
			return new(c.Fail(http.StatusPreconditionFailed, "unknown state: %s", *in.State))
		}
	}
	people := i.Assignees
	if write && (in.Assignees != nil || in.Assignee != nil) {
		names := in.Assignees
		if in.Assignee != nil {
			names = append(names, *in.Assignee)
		}
		var rep *exchange.Reply
		if people, rep = c.assignable(names); rep != nil {
			return rep
		}
	}
	i.Title, i.Assignees = exchange.Or(in.Title, i.Title), people
	if in.Body != nil && *in.Body != i.Body {
		i.Body = *in.Body
		i.Version++
	}
	exchange.Set(&i.Ref, in.Ref)
	if write && in.Milestone != nil {
		m := c.milestone(*in.Milestone)
		if m == nil && *in.Milestone != 0 {
			return new(c.Broken())
		}
		i.Milestone = m
	}
	if write && in.NoDue != nil && *in.NoDue {
		i.Due = nil
	} else if write && in.Due != nil { // the time of day is ignored
		i.Due = new(time.Date(in.Due.Year(), in.Due.Month(), in.Due.Day(), 23, 59, 59, 0, in.Due.Location()))
	}
	if in.State != nil && *in.State != i.State() {
		c.Forge.Close(i, *in.State == "closed")
	}
	i.Updated = c.Forge.Now()
	c.Forge.Notify(i, c.User)
	return nil
}

// comments of an issue come whole, whatever page is asked for (ref 4.2, Paging).
func (c call) comments() exchange.Reply {
	since, before, rep := c.between()
	if rep != nil {
		return *rep
	}
	i := c.Repo.Issue(c.VarID("index"))
	if i == nil {
		return c.Broken() // both expect the issue to exist
	}
	var rows []*forge.Comment
	for _, m := range i.Comments {
		if within(m.Updated, since, before) {
			rows = append(rows, m)
		}
	}
	out := exchange.OK(shape.Each(rows, c.V.Comment))
	out.Header = http.Header{"X-Total-Count": {strconv.Itoa(len(rows))}}
	return out
}

type commentOptions struct {
	Body    string     `json:"body" rule:"required"`
	Updated *time.Time `json:"updated_at"`
}

func (c call) createComment() exchange.Reply {
	var in commentOptions
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	i := c.Repo.Issue(c.VarID("index"))
	if i == nil {
		return c.Broken()
	}
	return exchange.Created(c.V.Comment(c.Forge.AddComment(i, c.User, in.Body)))
}

// onComment finds the comment of the path, in any issue of the repository.
func onComment(serve func(call, *forge.Comment) exchange.Reply) func(call) exchange.Reply {
	return func(c call) exchange.Reply {
		for _, i := range c.Repo.Issues {
			if m := forge.Find(i.Comments, func(m *forge.Comment) bool { return m.ID == c.VarID("id") }); m != nil {
				return serve(c, m)
			}
		}
		return c.Missing(fmt.Sprintf("comment does not exist [id: %d, issue_id: 0]", c.VarID("id")))
	}
}

func (c call) getComment(m *forge.Comment) exchange.Reply { return exchange.OK(c.V.Comment(m)) }

func (c call) editComment(m *forge.Comment) exchange.Reply {
	var in commentOptions
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if m.By != c.User && c.May() < forge.Write {
		return exchange.Empty(http.StatusForbidden)
	}
	m.Body, m.Updated = in.Body, c.Forge.Now()
	return exchange.OK(c.V.Comment(m))
}

func (c call) deleteComment(m *forge.Comment) exchange.Reply {
	if m.By != c.User && c.May() < forge.Write {
		return exchange.Empty(http.StatusForbidden)
	}
	m.Issue.Comments = slices.DeleteFunc(m.Issue.Comments, func(o *forge.Comment) bool { return o == m })
	return exchange.Empty(http.StatusNoContent)
}
