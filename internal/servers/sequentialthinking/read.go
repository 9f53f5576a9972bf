package sequentialthinking

import (
	"context"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// getIn chooses thoughts.
type getIn struct {
	SessionID string `json:"session_id,omitempty" jsonschema:"The session; without it, your current one."`
	Branch    string `json:"branch,omitempty" jsonschema:"Only the thoughts of this branch (its branchId)."`
	Format    string `json:"format,omitempty" jsonschema:"md is one Markdown text instead of a list." enum:"json,md" default:"json"`
	kit.PageIn
}

// shownThought is a thought as it is read back.
type shownThought struct {
	ThoughtNumber     int64  `json:"thoughtNumber"`
	TotalThoughts     int64  `json:"totalThoughts"`
	Thought           string `json:"thought"`
	RevisesThought    int64  `json:"revisesThought,omitempty"`
	BranchFromThought int64  `json:"branchFromThought,omitempty"`
	BranchID          string `json:"branchId,omitempty"`
	At                string `json:"at"`
}

// getOut is a page of thoughts.
type getOut struct {
	SessionID string         `json:"session_id"`
	Ended     bool           `json:"ended"`
	Thoughts  []shownThought `json:"thoughts"`
	kit.PageOut

	markdown bool
}

// Text is Markdown where it was asked for.
func (o getOut) Text() string {
	if !o.markdown {
		return kit.Compact(o)
	}
	if o.SessionID == "" {
		return "Nothing was thought yet.\n"
	}
	text := markdown(o.SessionID, o.Thoughts)
	if o.NextCursor != "" {
		text += "\nMore with cursor " + o.NextCursor + "\n"
	}
	return text
}

func (s *server) getThoughts(_ context.Context, c *kit.Call, in getIn) (getOut, error) {
	w, err := in.Window(100)
	if err != nil {
		return getOut{}, err
	}
	found, err := s.thoughts.find(c.User(), in.SessionID)
	if err != nil && in.SessionID != "" {
		return getOut{}, err
	}
	shown := []shownThought{} // as they are of who has no session: nothing was thought yet
	for _, t := range found.thoughts {
		if in.Branch == "" || t.BranchID == in.Branch {
			shown = append(shown, t.shown())
		}
	}
	out := getOut{SessionID: found.id, Ended: found.ended, markdown: in.Format == "md"}
	out.Thoughts, out.PageOut = kit.Cut(w, shown)
	return out, nil
}

func (t thought) shown() shownThought {
	return shownThought{
		ThoughtNumber: int64(t.ThoughtNumber), TotalThoughts: int64(t.TotalThoughts), Thought: t.Thought,
		RevisesThought: int64(t.RevisesThought), BranchFromThought: int64(t.BranchFromThought), BranchID: t.BranchID,
		At: t.at.UTC().Format(time.RFC3339),
	}
}

// sessionIn names a session.
type sessionIn struct {
	SessionID string `json:"session_id,omitempty" jsonschema:"The session; without it, your current one."`
}

// sessionOut is a session in a list.
type sessionOut struct {
	SessionID string   `json:"session_id"`
	Current   bool     `json:"current" jsonschema:"Whether thoughts without a session_id go here."`
	Ended     bool     `json:"ended"`
	Thoughts  int      `json:"thoughts"`
	Branches  []string `json:"branches"`
	First     string   `json:"first" jsonschema:"How its first thought begins."`
	CreatedAt string   `json:"created_at"`
	UsedAt    string   `json:"used_at"`
}

func (s session) out(current string) sessionOut {
	o := sessionOut{
		SessionID: s.id, Current: s.id == current, Ended: s.ended, Thoughts: len(s.thoughts), Branches: jsKeyOrder(s.branches),
		CreatedAt: s.created.UTC().Format(time.RFC3339), UsedAt: s.used.UTC().Format(time.RFC3339),
	}
	if len(s.thoughts) > 0 {
		o.First = head(s.thoughts[0].Thought, 80)
	}
	return o
}

// head is the beginning of s, at most n runes of its first line.
func head(s string, n int) string {
	line, _, _ := strings.Cut(s, "\n")
	if runes := []rune(line); len(runes) > n {
		return string(runes[:n]) + "..."
	}
	return line
}

// listOut is a page of sessions.
type listOut struct {
	Sessions []sessionOut `json:"sessions"`
	kit.PageOut
}

func (s *server) listSessions(_ context.Context, c *kit.Call, in kit.PageIn) (listOut, error) {
	w, err := in.Window(20)
	if err != nil {
		return listOut{}, err
	}
	all, current := s.thoughts.list(c.User())
	shown := make([]sessionOut, len(all))
	for i, one := range all {
		shown[i] = one.out(current)
	}
	var out listOut
	out.Sessions, out.PageOut = kit.Cut(w, shown)
	return out, nil
}

func (s *server) endSession(_ context.Context, c *kit.Call, in sessionIn) (sessionOut, error) {
	ended, err := s.thoughts.end(c.User(), in.SessionID)
	if err != nil {
		return sessionOut{}, err
	}
	_, current := s.thoughts.list(c.User())
	return ended.out(current), nil
}

func (s *server) readSession(_ context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	found, err := s.thoughts.find(c.User(), vars["session"])
	if err != nil {
		return kit.Content{}, fault.Wrap(err, fault.NotFound, "There is no thinking session %q. resources/list has those there are.", vars["session"])
	}
	shown := make([]shownThought, len(found.thoughts))
	for i, t := range found.thoughts {
		shown[i] = t.shown()
	}
	return kit.Content{Text: markdown(found.id, shown)}, nil
}

func (s *server) listResources(_ context.Context, c *kit.Call) ([]kit.Listed, error) {
	all, _ := s.thoughts.list(c.User())
	listed := make([]kit.Listed, len(all))
	for i, one := range all {
		listed[i] = kit.Listed{URI: kit.Expand(sessionTemplate, one.id), Name: one.id, Title: "Thinking session " + one.id, MIMEType: "text/markdown"}
	}
	return listed, nil
}

func (s *server) completeSession(_ context.Context, c *kit.Call, _, typed string) ([]string, error) {
	all, _ := s.thoughts.list(c.User())
	var ids []string
	for _, one := range all {
		if strings.HasPrefix(one.id, typed) {
			ids = append(ids, one.id)
		}
	}
	return ids, nil
}

// markdown is a session for a reader.
func markdown(id string, thoughts []shownThought) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Thinking session %s\n", id)
	for _, t := range thoughts {
		fmt.Fprintf(&b, "\n## Thought %d/%d", t.ThoughtNumber, t.TotalThoughts)
		switch {
		case t.RevisesThought > 0:
			fmt.Fprintf(&b, " (revises %d)", t.RevisesThought)
		case t.BranchFromThought > 0:
			fmt.Fprintf(&b, " (branch %s from %d)", t.BranchID, t.BranchFromThought)
		}
		fmt.Fprintf(&b, "\n\n%s\n", t.Thought)
	}
	return b.String()
}
