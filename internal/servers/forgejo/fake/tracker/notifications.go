package tracker

import (
	"net/http"
	"slices"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
)

// notifications are unread and pinned ones, newest first, read ones with all or by
// status-types.
func (c call) notifications() exchange.Reply {
	since, before, rep := c.between()
	if rep != nil {
		return *rep
	}
	states := c.Query["status-types"]
	if len(states) == 0 {
		states = []string{"unread", "pinned"}
	}
	var rows []*forge.Thread
	for _, t := range c.Forge.Threads {
		kind := "issue"
		if t.Issue.Pull != nil {
			kind = "pull"
		}
		kinds := c.Query["subject-type"]
		if t.User == c.User && (c.Truth("all") || slices.Contains(states, t.State)) && (len(kinds) == 0 || slices.Contains(kinds, kind)) && within(t.At, since, before) {
			rows = append(rows, t)
		}
	}
	slices.SortStableFunc(rows, func(a, b *forge.Thread) int { return b.At.Compare(a.At) })
	return exchange.List(c.Call, rows, c.V.Thread)
}

// readNotifications answers 205, which has no body on the wire (ref 4.2).
func (c call) readNotifications() exchange.Reply {
	for _, t := range c.Forge.Threads {
		if t.User == c.User && (t.State == "unread" || c.Truth("all")) {
			t.State = exchange.Or(c.Query.Get("to-status"), "read")
		}
	}
	return exchange.Empty(http.StatusResetContent)
}

func (c call) countNotifications() exchange.Reply {
	n := 0
	for _, t := range c.Forge.Threads {
		if t.User == c.User && t.State == "unread" {
			n++
		}
	}
	return exchange.OK(exchange.Obj{"new": n})
}

// onThread finds the notification; another user's is forbidden (Gitea 1.26, Forgejo).
func (c call) onThread() (*forge.Thread, *exchange.Reply) {
	t := forge.Find(c.Forge.Threads, func(t *forge.Thread) bool { return t.ID == c.VarID("id") })
	if t == nil {
		return nil, new(c.Fail(http.StatusNotFound, "notification does not exist [id: %d]", c.VarID("id")))
	}
	if t.User != c.User {
		return nil, new(c.Fail(http.StatusForbidden, "only user itself and admin are allowed to read/change this thread %d", t.ID))
	}
	return t, nil
}

func (c call) thread() exchange.Reply {
	t, rep := c.onThread()
	if rep != nil {
		return *rep
	}
	return exchange.OK(c.V.Thread(t))
}

func (c call) readThread() exchange.Reply {
	t, rep := c.onThread()
	if rep != nil {
		return *rep
	}
	t.State = exchange.Or(c.Query.Get("to-status"), "read")
	return exchange.Empty(http.StatusResetContent)
}
