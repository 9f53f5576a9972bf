package puppeteer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/puppeteer/outline"
	"drawbridge/internal/servers/puppeteer/page"
	"drawbridge/internal/servers/puppeteer/session"
)

// browserTools are those that are made for models.
func (s *server) browserTools() []kit.Tool {
	return kit.InSet("browser",
		kit.Read("browser_navigate", "Open a page", "Open a URL and show the outline of the page, with references for what can be acted on.", s.open).Within(2*navigateTime),
		// Going back may send a form again.
		kit.Write("browser_navigate_back", "Go back", "Go back to the page before in the history of the tab, or forward.", s.back),
		kit.Read("browser_snapshot", "Look at the page", "The page as a screen reader has it: roles, names, states and references such as [d1e5] to act on. Cheaper and more exact than a screenshot.", s.snapshot),
		kit.Write("browser_click", "Click", "Click an element, and wait for the page that this opens.", s.press),
		kit.Write("browser_type", "Type", "Put text into a field, in place of what is in it.", s.typeText),
		kit.Write("browser_fill_form", "Fill a form", "Fill several fields at once. Nothing is submitted.", s.fillForm),
		kit.Write("browser_select_option", "Select an option", "Choose options of a drop-down by value or label.", s.selectOption).Idempotent(),
		kit.Write("browser_press_key", "Press a key", "Press a key, such as Enter, Escape, ArrowDown or Control+a.", s.pressKey),
		kit.Write("browser_hover", "Hover", "Point at an element without clicking.", s.pointAt),
		kit.Read("browser_wait_for", "Wait", "Wait until a text or an element is there, a text is gone, or some seconds have passed.", s.waitFor).Within(time.Minute),
		kit.Write("browser_tabs", "Tabs", "List, open, select or close tabs.", s.tabsTool),
		kit.Read("browser_get_text", "Read the page", "The main content of the page as Markdown, or the plain text of an element, in parts.", s.getText),
		kit.Read("browser_extract", "Extract rows", "Read repeated elements, such as the rows of a table or a list of results, into records.", s.extract),
		kit.Read("browser_take_screenshot", "Screenshot", "A picture of the viewport, of an element or of the whole page. To act on elements use browser_snapshot.", s.takeScreenshot),
		kit.Write("browser_file_upload", "Upload files", "Give files that the gateway keeps to a file input of the page.", s.upload),
		kit.Read("browser_downloads", "Downloads", "The files that pages have downloaded, as file references for other tools.", s.downloaded).Within(time.Minute),
		kit.Write("browser_close", "Close the session", "Close all tabs of the session and forget its cookies.", s.closeSession).Idempotent(),
	)
}

type openIn struct {
	URL string `json:"url" jsonschema:"http or https address." max:"8000"`
	inSession
}

func (s *server) open(ctx context.Context, c *kit.Call, in openIn) (seen, error) {
	return s.acted(ctx, c, looks{"full", in.inSession}, func(one *session.Session, t *session.Tab) error {
		before := one.Begun()
		err := s.goTo(ctx, t, in.URL)
		if one.TookOver(ctx, err, before) {
			return fault.Wrap(err, fault.Conflict, "The address is a file, which is being downloaded. Ask browser_downloads for it.")
		}
		return err
	})
}

type backIn struct {
	Forward bool `json:"forward,omitempty" jsonschema:"Go forward instead."`
	looks
}

func (s *server) back(ctx context.Context, c *kit.Call, in backIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error {
		return t.Page.Back(ctx, map[bool]int{false: -1, true: 1}[in.Forward])
	})
}

type snapshotIn struct {
	Target string `json:"target,omitempty" jsonschema:"Reference or CSS selector of the part to look at." max:"2000"`
	Depth  int    `json:"depth,omitempty" jsonschema:"Levels below the part." min:"1" max:"50"`
	Only   string `json:"only,omitempty" jsonschema:"usual, actions is what takes input, all is also structure without a name." enum:"usual,actions,all" default:"usual"`
	Diff   bool   `json:"diff,omitempty" jsonschema:"Only what changed since the last snapshot."`
	Max    int    `json:"max_chars,omitempty" jsonschema:"Characters to show at most." min:"200" max:"15000" default:"12000"`
	inSession
}

func (s *server) snapshot(ctx context.Context, c *kit.Call, in snapshotIn) (seen, error) {
	var out seen
	err := s.run(ctx, c, in.inSession, func(one *session.Session, t *session.Tab) error {
		snap, err := t.Page.Snapshot(ctx, page.Looking{
			Looking: outline.Looking{Depth: in.Depth, All: in.Only == "all", Only: in.Only == "actions"},
			Root:    page.Target(in.Target), Max: min(in.Max, mostOutline), Diff: in.Diff,
		})
		out = seen{URL: snap.URL, Page: kit.Untrusted("url: " + snap.URL + described(snap, in.Diff))}
		return err
	})
	return out, err
}

type waitIn struct {
	Text     string  `json:"text,omitempty" jsonschema:"Text that is to appear." max:"1000"`
	TextGone string  `json:"textGone,omitempty" jsonschema:"Text that is to disappear." max:"1000"`
	Target   string  `json:"target,omitempty" jsonschema:"CSS selector of what is to appear." max:"2000"`
	Time     float64 `json:"time,omitempty" jsonschema:"Seconds to wait at most; alone: to wait." min:"0" max:"50"`
	looks
}

func (s *server) waitFor(ctx context.Context, c *kit.Call, in waitIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error {
		limit := duration(in.Time)
		if in.Text == "" && in.TextGone == "" && in.Target == "" {
			return sleep(ctx, limit) // nothing to wait for takes no time
		}
		if limit == 0 {
			limit = 20 * time.Second
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		for _, one := range []struct{ set, condition, what string }{
			{in.Target, page.Has(page.Target(in.Target)), "the element"},
			{in.Text, page.HasText(in.Text), "the text"},
			{in.TextGone, "!" + page.HasText(in.TextGone), "the text to go"},
		} {
			if one.set == "" {
				continue
			}
			if err := t.Page.WaitFor(ctx, one.condition, one.what); err != nil {
				return err
			}
		}
		return nil
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	if err := kit.Sleep(ctx, d); err != nil {
		return fault.Wrap(err, fault.Timeout, "The wait was ended before its time. Wait for less.")
	}
	return nil
}

type tabsIn struct {
	Action string `json:"action" jsonschema:"What to do." enum:"list,new,select,close"`
	Index  int    `json:"index,omitempty" jsonschema:"Of the tab to select or close, from 0." min:"0"`
	URL    string `json:"url,omitempty" jsonschema:"To open in a new tab." max:"8000"`
	inSession
}

type tabsOut struct {
	Tabs []session.Shown `json:"tabs"`
}

func (s *server) tabsTool(ctx context.Context, c *kit.Call, in tabsIn) (tabsOut, error) {
	one, release, err := s.sessions.Use(ctx, c.User(), in.SessionID)
	if err != nil {
		return tabsOut{}, err
	}
	defer release()
	one.TakeOpened() // the list tells
	switch in.Action {
	case "new":
		t, err := one.OpenTab(ctx)
		if err != nil {
			return tabsOut{}, err
		}
		if in.URL != "" {
			if err := s.goTo(ctx, t, in.URL); err != nil {
				return tabsOut{}, err
			}
		}
	case "select", "close":
		t, err := one.Choose(in.Index, in.Action == "select")
		if err != nil {
			return tabsOut{}, err
		}
		if in.Action == "close" {
			one.CloseTab(t)
		} else if err := t.Page.Front(ctx); err != nil {
			return tabsOut{}, err
		}
	}
	return tabsOut{one.List()}, nil
}

type closedOut struct {
	Closed bool `json:"closed" jsonschema:"Whether the session was open."`
}

func (s *server) closeSession(_ context.Context, c *kit.Call, in inSession) (closedOut, error) {
	return closedOut{s.sessions.End(c.User(), in.SessionID)}, nil
}

type textIn struct {
	Target string `json:"target,omitempty" jsonschema:"Reference or CSS selector; without it, the main content." max:"2000"`
	Format string `json:"format,omitempty" jsonschema:"Form of the text." enum:"markdown,text" default:"markdown"`
	Whole  bool   `json:"whole,omitempty" jsonschema:"The whole page with its menus, not only the main content."`
	From   int    `json:"from,omitempty" jsonschema:"Character to begin at: next of the answer before." min:"0"`
	Max    int    `json:"max_chars,omitempty" jsonschema:"Characters to show at most." min:"200" max:"15000" default:"12000"`
	inSession
}

type textOut struct {
	URL   string        `json:"url"`
	Body  kit.Untrusted `json:"text"`
	Total int           `json:"total" jsonschema:"Characters in all."`
	Next  int           `json:"next,omitempty" jsonschema:"Where the rest begins; send it as from."`
}

// Text is the text with its marks, and how to go on.
func (o textOut) Text() string {
	if o.Next == 0 {
		return string(o.Body)
	}
	return fmt.Sprintf("%s\n(%d of %d characters; go on with from=%d)", o.Body, o.Next, o.Total, o.Next)
}

func (s *server) getText(ctx context.Context, c *kit.Call, in textIn) (textOut, error) {
	var out textOut
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		var text string
		var err error
		if in.Format == "text" {
			text, err = t.Page.Text(ctx, page.Target(in.Target))
		} else {
			text, err = t.Page.Markdown(ctx, page.Target(in.Target), in.Whole)
		}
		if err != nil {
			return err
		}
		all := []rune(text)
		from := min(in.From, len(all))
		to := min(from+in.Max, len(all))
		out = textOut{URL: t.Page.URL(), Body: kit.Untrusted(all[from:to]), Total: len(all)}
		if to < len(all) {
			out.Next = to
		}
		return nil
	})
	return out, err
}

type extractIn struct {
	Rows   string       `json:"rows" jsonschema:"CSS selector; each element that it names is one record." max:"2000"`
	Fields []page.Field `json:"fields" jsonschema:"The members of a record." min:"1" max:"30"`
	Limit  int          `json:"limit,omitempty" jsonschema:"Records at most." min:"1" max:"200" default:"50"`
	inSession
}

type extractOut struct {
	URL   string                     `json:"url"`
	Rows  []map[string]kit.Untrusted `json:"rows"`
	Total int                        `json:"total" jsonschema:"Records on the page."`
}

func (s *server) extract(ctx context.Context, c *kit.Call, in extractIn) (extractOut, error) {
	out := extractOut{Rows: []map[string]kit.Untrusted{}}
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		rows, total, err := t.Page.Extract(ctx, in.Rows, in.Fields, in.Limit)
		for _, row := range rows {
			marked := map[string]kit.Untrusted{}
			for k, v := range row {
				marked[k] = kit.Untrusted(v)
			}
			out.Rows = append(out.Rows, marked)
		}
		out.URL, out.Total = t.Page.URL(), total
		return err
	})
	return out, err
}

type takeIn struct {
	Target   string `json:"target,omitempty" jsonschema:"Reference or CSS selector; without it, the viewport." max:"2000"`
	FullPage bool   `json:"fullPage,omitempty" jsonschema:"The whole page, not only the viewport."`
	Type     string `json:"type,omitempty" jsonschema:"jpeg is smaller." enum:"png,jpeg" default:"png"`
	inSession
}

func (s *server) takeScreenshot(ctx context.Context, c *kit.Call, in takeIn) (kit.Text, error) {
	var out kit.Text
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		pic, err := t.Page.Shoot(ctx, page.Shooting{Target: page.Target(in.Target), Full: in.FullPage && in.Target == "", JPEG: in.Type == "jpeg", Quality: 75})
		if err != nil {
			return err
		}
		c.AddImage(pic.MIMEType, pic.Data)
		c.Meta("drawbridge/untrusted", "true")
		out = kit.Text(fmt.Sprintf("%dx%d %s of %s", pic.Width, pic.Height, strings.TrimPrefix(pic.MIMEType, "image/"), c.Outside(t.Page.URL())))
		return nil
	})
	return out, err
}
