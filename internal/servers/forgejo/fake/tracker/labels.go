package tracker

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

func (c call) issueLabels(i *forge.Issue) exchange.Reply {
	return exchange.OK(shape.Each(i.Labels, c.V.Label(c.Repo)))
}

// setIssueLabels adds (POST) or replaces (PUT): by ids or by names, not by both. Unknown
// ones are ignored (ref 4.2).
func (c call) setIssueLabels(i *forge.Issue) exchange.Reply {
	var in struct {
		Labels  []any      `json:"labels"`
		Updated *time.Time `json:"updated_at"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if c.May() < forge.Write {
		return c.Fail(http.StatusForbidden, "write permission is required")
	}
	var ids []int64
	var names []string
	for _, l := range in.Labels {
		switch v := l.(type) {
		case float64:
			ids = append(ids, int64(v))
		case string:
			names = append(names, v)
		default:
			return c.Fail(http.StatusBadRequest, "a label must be an integer or a string")
		}
	}
	if ids != nil && names != nil {
		return c.Fail(http.StatusBadRequest, "labels should be an array of strings or integers")
	}
	if c.R.Method == http.MethodPut {
		i.Labels = nil
	}
	for _, l := range append(c.labelsByID(ids), c.Repo.Label(names...)...) {
		if !slices.Contains(i.Labels, l) {
			i.Labels = append(i.Labels, l)
		}
	}
	return c.issueLabels(i)
}

// dropIssueLabel takes one label off an issue, or all where the path names none.
func (c call) dropIssueLabel(i *forge.Issue) exchange.Reply {
	if c.May() < forge.Write {
		return exchange.Empty(http.StatusForbidden)
	}
	if _, one := c.Vars["id"]; !one {
		i.Labels = nil
		return exchange.Empty(http.StatusNoContent)
	}
	id := c.VarID("id")
	if len(c.labelsByID([]int64{id})) == 0 {
		return c.Invalid("label does not exist [label_id: 0]") // they lose the id on the way (Gitea 1.26)
	}
	i.Labels = slices.DeleteFunc(i.Labels, func(l *forge.Label) bool { return l.ID == id })
	return exchange.Empty(http.StatusNoContent)
}

func (c call) labels() exchange.Reply { return exchange.List(c.Call, c.Repo.Labels, c.V.Label(c.Repo)) }

var colour = regexp.MustCompile(`^#?[0-9a-fA-F]{6}$`)

// createLabel is swagger CreateLabelOption.
func (c call) createLabel() exchange.Reply {
	var in struct {
		Name        string `json:"name" rule:"required"`
		Color       string `json:"color" rule:"required"`
		Description string `json:"description"`
		Exclusive   bool   `json:"exclusive"`
		Archived    bool   `json:"is_archived"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if !colour.MatchString(in.Color) {
		return c.Invalid("bad color code: %s", in.Color)
	}
	l := &forge.Label{ID: c.Forge.ID(), Name: in.Name, Color: strings.ToLower(strings.TrimPrefix(in.Color, "#")), Description: in.Description, Exclusive: in.Exclusive, Archived: in.Archived}
	c.Repo.Labels = append(c.Repo.Labels, l)
	return exchange.Created(c.V.Label(c.Repo)(l))
}

func (c call) editLabel() exchange.Reply {
	found := c.labelsByID([]int64{c.VarID("id")})
	if len(found) == 0 {
		return c.Missing()
	}
	var in struct {
		Name        *string `json:"name"`
		Color       *string `json:"color"`
		Description *string `json:"description"`
		Exclusive   *bool   `json:"exclusive"`
		Archived    *bool   `json:"is_archived"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	l := found[0]
	if in.Color != nil && !colour.MatchString(*in.Color) {
		return c.Invalid("bad color code: %s", *in.Color)
	}
	exchange.Set(&l.Name, in.Name)
	exchange.Set(&l.Color, in.Color)
	l.Color = strings.ToLower(strings.TrimPrefix(l.Color, "#"))
	exchange.Set(&l.Description, in.Description)
	exchange.Set(&l.Exclusive, in.Exclusive)
	exchange.Set(&l.Archived, in.Archived)
	return exchange.OK(c.V.Label(c.Repo)(l))
}

// deleteLabel answers 204 whether the label was there or not.
func (c call) deleteLabel() exchange.Reply {
	gone := func(l *forge.Label) bool { return l.ID == c.VarID("id") }
	for _, i := range c.Repo.Issues {
		i.Labels = slices.DeleteFunc(i.Labels, gone)
	}
	c.Repo.Labels = slices.DeleteFunc(c.Repo.Labels, gone)
	return exchange.Empty(http.StatusNoContent)
}

func (c call) milestones() exchange.Reply {
	rows := slices.DeleteFunc(slices.Clone(c.Repo.Milestones), func(m *forge.Milestone) bool {
		state := exchange.Or(c.Query.Get("state"), "open")
		return state != "all" && (state == "closed") != (m.Closed != nil) || !strings.Contains(strings.ToLower(m.Title), strings.ToLower(c.Query.Get("name")))
	})
	return exchange.List(c.Call, rows, c.V.Milestone(c.Repo))
}

// milestoneOptions is swagger CreateMilestoneOption and EditMilestoneOption.
type milestoneOptions struct {
	Title       string     `json:"title"`
	Description *string    `json:"description"`
	State       *string    `json:"state"`
	Due         *time.Time `json:"due_on"`
}

func (c call) createMilestone() exchange.Reply {
	m := &forge.Milestone{ID: c.Forge.ID(), Created: c.Forge.Now()}
	rep := c.fillMilestone(m)
	if rep.Status != http.StatusOK {
		return rep
	}
	c.Repo.Milestones = append(c.Repo.Milestones, m)
	return exchange.Created(rep.Body)
}

func (c call) fillMilestone(m *forge.Milestone) exchange.Reply {
	var in milestoneOptions
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	m.Title, m.Updated = exchange.Or(in.Title, m.Title), c.Forge.Now()
	exchange.Set(&m.Description, in.Description)
	if in.Due != nil {
		m.Due = in.Due
	}
	if in.State != nil {
		m.Closed = nil
		if *in.State == "closed" {
			m.Closed = new(m.Updated)
		}
	}
	return exchange.OK(c.V.Milestone(c.Repo)(m))
}

// oneMilestone goes by id or, as both do, by name.
func (c call) oneMilestone() *forge.Milestone {
	if m := c.milestone(c.VarID("id")); m != nil {
		return m
	}
	return forge.Find(c.Repo.Milestones, func(m *forge.Milestone) bool { return m.Title == c.Vars["id"] })
}

func (c call) getMilestone() exchange.Reply {
	m := c.oneMilestone()
	if m == nil {
		return c.Missing()
	}
	return exchange.OK(c.V.Milestone(c.Repo)(m))
}

func (c call) editMilestone() exchange.Reply {
	m := c.oneMilestone()
	if m == nil {
		return c.Missing()
	}
	return c.fillMilestone(m)
}

func (c call) deleteMilestone() exchange.Reply {
	m := c.oneMilestone()
	if m == nil {
		return c.Missing()
	}
	for _, i := range c.Repo.Issues {
		if i.Milestone == m {
			i.Milestone = nil
		}
	}
	c.Repo.Milestones = slices.DeleteFunc(c.Repo.Milestones, func(o *forge.Milestone) bool { return o == m })
	return exchange.Empty(http.StatusNoContent)
}
