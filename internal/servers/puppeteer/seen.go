package puppeteer

import (
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/puppeteer/page"
	"drawbridge/internal/servers/puppeteer/session"
)

// looks is how an action asks to see what it has led to.
type looks struct {
	Snapshot string `json:"snapshot,omitempty" jsonschema:"What to show afterwards: diff is what changed since the last snapshot." enum:"none,diff,full" default:"none"`
	inSession
}

// seen is the answer of most browser_* tools.
type seen struct {
	URL   string        `json:"url"`
	Page  kit.Untrusted `json:"page" jsonschema:"Address, title and outline, as the page says them."`
	Notes []string      `json:"notes,omitempty" jsonschema:"What else happened, as Drawbridge says it."`
}

// Text is the notes, then the page between its marks.
func (s seen) Text() string {
	if len(s.Notes) == 0 {
		return string(s.Page)
	}
	return strings.Join(s.Notes, "\n") + "\n" + string(s.Page)
}

// How much of a page one answer shows, in characters: about 3,000 tokens, so that an
// answer fits beside others.
const (
	usualOutline = 12_000
	mostOutline  = 15_000
	diffOutline  = 6_000
)

// acted runs an action on the current tab and looks at what came of it.
func (s *server) acted(ctx context.Context, c *kit.Call, how looks, f func(*session.Session, *session.Tab) error) (seen, error) {
	var out seen
	err := s.run(ctx, c, how.inSession, func(one *session.Session, t *session.Tab) error {
		before := t.Page.Generation()
		if err := f(one, t); err != nil {
			return err
		}
		var err error
		out, err = s.look(ctx, one, how.Snapshot, before)
		return err
	})
	return out, err
}

// look describes the tab that is active now. before is the generation of the document
// that was there, to tell whether there is a new one.
func (s *server) look(ctx context.Context, one *session.Session, how string, before int) (seen, error) {
	t, err := one.Current(ctx)
	if err != nil {
		return seen{}, err
	}
	if err := one.Allowed(t); err != nil {
		return seen{}, err
	}
	out := seen{URL: t.Page.URL()}
	text := "url: " + out.URL
	switch how {
	case "diff", "full":
		snap, err := t.Page.Snapshot(ctx, page.Looking{Diff: how == "diff", Max: map[string]int{"diff": diffOutline, "full": usualOutline}[how]})
		if err != nil {
			return out, err
		}
		text += described(snap, how == "diff")
	default:
		if title, err := t.Page.Title(ctx); err == nil && t.Page.Generation() != before {
			text += "\ntitle: " + title
		}
	}
	if t.Page.Generation() != before {
		out.Notes = append(out.Notes, "The tab shows a new page; references of the old one have ended.")
	}
	if n := one.TakeOpened(); n > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("The page opened %d new tab(s); browser_tabs lists and selects them.", n))
	}
	for _, d := range t.Page.Dialogs() {
		out.Notes = append(out.Notes, map[bool]string{true: "A dialog was accepted.", false: "A dialog was dismissed; browser_handle_dialog sets how the next one is answered."}[d.Accepted])
		text += fmt.Sprintf("\n%s: %s", d.Type, d.Message)
	}
	out.Page = kit.Untrusted(text)
	return out, nil
}

// described is a snapshot as text.
func described(snap page.Snapshot, diff bool) string {
	var b strings.Builder
	if snap.Title != "" {
		b.WriteString("\ntitle: " + snap.Title)
	}
	switch {
	case snap.Text != "":
		b.WriteString("\n" + snap.Text)
	case diff:
		b.WriteString("\n(nothing has changed)")
	default:
		b.WriteString("\n(the page is empty)")
	}
	if snap.Cut > 0 {
		fmt.Fprintf(&b, "\n(%d more lines; look at a part with target, or at less with depth or only)", snap.Cut)
	}
	return b.String()
}
