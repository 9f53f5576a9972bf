package issues

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type getInboxIn struct {
	Since   string   `json:"since,omitempty" jsonschema:"A time."`
	Include []string `json:"include,omitempty" jsonschema:"notifications, reviews, assigned, mentions"`
}

type getInboxOut struct {
	Items   []inboxItem `json:"items"`
	Sources []string    `json:"sources"`
}

type inboxItem struct {
	Why     []string      `json:"why"`
	Repo    string        `json:"repo"`
	Number  int64         `json:"number,omitempty"`
	Pull    bool          `json:"pull,omitempty"`
	Title   kit.Untrusted `json:"title"`
	State   string        `json:"state,omitempty"`
	Updated string        `json:"updated"`
	Thread  int64         `json:"thread,omitempty"`

	at time.Time
}

// sources are what an inbox is made of, in the order in which they are asked.
var sources = []struct {
	name   string
	search api.IssueSearch // unless it is notifications
}{
	{name: "notifications"},
	{"reviews", api.IssueSearch{ReviewRequested: true, Type: "pulls", State: "open"}},
	{"assigned", api.IssueSearch{Assigned: true, State: "open"}},
	{"mentions", api.IssueSearch{Mentioned: true, State: "open"}},
}

// getInbox asks each source for its newest and shows what is in several once.
func (t Tools) getInbox(ctx context.Context, c *kit.Call, in getInboxIn) (out getInboxOut, err error) {
	since, err := kit.Moment("since", in.Since)
	if err != nil {
		return out, err
	}
	for _, name := range in.Include {
		if !slices.ContainsFunc(sources, func(source struct {
			name   string
			search api.IssueSearch
		}) bool {
			return source.name == name
		}) {
			return out, fault.New(fault.Invalid, "include has a name that is none of notifications, reviews, assigned, mentions. Use these.")
		}
	}
	session, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	var refused error
	answered := false
	for _, source := range sources {
		if len(in.Include) > 0 && !slices.Contains(in.Include, source.name) {
			continue
		}
		items, total, err := t.fromSource(ctx, session, source.name, source.search, since)
		if kit.StatusOf(err) == http.StatusForbidden { // a token without this scope; others may do
			out.Sources, refused = append(out.Sources, source.name+": not allowed to this token"), err
			continue
		}
		if err != nil {
			return out, err
		}
		answered = true
		out.Sources = append(out.Sources, fmt.Sprintf("%s: %d of %d", source.name, len(items), total))
		out.Items = merge(out.Items, items)
	}
	if !answered {
		return out, refused
	}
	slices.SortStableFunc(out.Items, func(a, b inboxItem) int { return b.at.Compare(a.at) })
	out.Items = show.Within(out.Items, show.TextRoom)
	return out, nil
}

// fromSource reads the newest of one source that the operator's lists allow.
func (t Tools) fromSource(ctx context.Context, session api.Session, name string, f api.IssueSearch, since time.Time) (items []inboxItem, total int, err error) {
	w := kit.Window{Limit: show.Rows}
	if name == "notifications" {
		threads, n, err := session.Notifications(ctx, w, since)
		for _, t := range threads {
			items = append(items, inboxItem{[]string{name}, t.Repo.FullName, numberOf(t.Subject.URL), t.Subject.Type == "Pull", show.Clip(t.Subject.Title, 200),
				t.Subject.State, kit.Time(t.Updated), t.ID, t.Updated})
		}
		return t.allowed(items), n, err
	}
	f.Since = since
	issues, n, err := session.SearchIssues(ctx, w, f)
	for _, i := range issues {
		items = append(items, inboxItem{[]string{name}, repoOf(i), i.Number, i.Pull != nil, show.Clip(i.Title, 200), i.State, kit.Time(i.Updated), 0, i.Updated})
	}
	return t.allowed(items), n, err
}

func (t Tools) allowed(items []inboxItem) []inboxItem {
	return slices.DeleteFunc(items, func(i inboxItem) bool { return !t.Repos.Allows(i.Repo) })
}

// merge adds items, or the reasons of those that are there.
func merge(all, more []inboxItem) []inboxItem {
	for _, item := range more {
		i := slices.IndexFunc(all, func(a inboxItem) bool { return a.Repo == item.Repo && a.Number == item.Number && item.Number != 0 })
		if i < 0 {
			all = append(all, item)
			continue
		}
		all[i].Why = append(all[i].Why, item.Why...)
	}
	return all
}

func repoOf(i api.Issue) string {
	if i.Repo == nil {
		return ""
	}
	return i.Repo.FullName
}

// numberOf is the number at the end of an API URL, or 0.
func numberOf(url string) int64 {
	n, _ := strconv.ParseInt(path.Base(strings.TrimSuffix(url, "/")), 10, 64) // 0 for a commit
	return n
}

type markReadIn struct {
	Threads []int64 `json:"threads,omitempty" jsonschema:"From get_inbox."`
	UpTo    string  `json:"up_to,omitempty" jsonschema:"All that last changed before this time."`
}

type markReadOut struct {
	Marked int  `json:"marked"`
	All    bool `json:"all"`
}

func (t Tools) markRead(ctx context.Context, c *kit.Call, in markReadIn) (out markReadOut, err error) {
	before, err := kit.Moment("up_to", in.UpTo)
	if err != nil {
		return out, err
	}
	if (len(in.Threads) == 0) == before.IsZero() {
		return out, fault.New(fault.Invalid, "Send either threads or up_to. get_inbox has the threads.")
	}
	session, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	if !before.IsZero() {
		return markReadOut{All: true}, session.MarkAll(ctx, before)
	}
	for _, id := range in.Threads {
		if err := session.MarkThread(ctx, id); err != nil {
			return out, err
		}
		out.Marked++
	}
	return out, nil
}
