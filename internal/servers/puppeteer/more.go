package puppeteer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/puppeteer/page"
	"drawbridge/internal/servers/puppeteer/session"
)

// moreTools are off unless their toolset is chosen: each costs a model tokens in
// every conversation.
func (s *server) moreTools() []kit.Tool {
	return []kit.Tool{
		kit.Write("browser_drag", "Drag", "Drag one element onto another.", s.drag).InSet("more"),
		kit.Write("browser_handle_dialog", "Answer the next dialog", "Set how the next alert, confirm or prompt is answered. Without it, questions are dismissed.", s.dialog).InSet("more"),
		kit.Write("browser_resize", "Resize", "Set the size of the viewport.", s.resize).Idempotent().InSet("more"),
		kit.Read("browser_console_messages", "Console", "What the console of the session's pages said, newest last.", s.consoleMessages).InSet("more"),
		kit.Read("browser_network_requests", "Network", "The requests of the tab, oldest first.", s.networkRequests).InSet("more"),
		kit.Read("browser_pdf_save", "Print", "Print the page to a PDF that the gateway keeps as a file.", s.pdf).InSet("more"),
		kit.Destroy("browser_evaluate", "Run a script", "Run JavaScript in the page and show what it gives.", s.runScript).Restorable().InSet("more"),
		kit.Read("browser_cookies_get", "Cookies", "The cookies of the session, with their values.", s.cookies).InSet("cookies"),
		kit.Write("browser_cookies_set", "Set a cookie", "Set one cookie in the session.", s.setCookie).Idempotent().InSet("cookies"),
		kit.Write("browser_cookies_clear", "Clear cookies", "Remove all cookies of the session.", s.clearCookies).Idempotent().InSet("cookies"),
	}
}

type consoleIn struct {
	Level string `json:"level,omitempty" jsonschema:"error shows errors only." enum:"all,warning,error" default:"all"`
	Limit int    `json:"limit,omitempty" jsonschema:"Lines at most." min:"1" max:"200" default:"50"`
	inSession
}

type consoleOut struct {
	Lines []kit.Untrusted `json:"lines"`
	Total int             `json:"total"`
}

func (s *server) consoleMessages(ctx context.Context, c *kit.Call, in consoleIn) (consoleOut, error) {
	out := consoleOut{Lines: []kit.Untrusted{}}
	one, release, err := s.sessions.Use(ctx, c.User(), in.SessionID)
	if err != nil {
		return out, err
	}
	defer release()
	lines, _ := one.Console()
	lines = slices.DeleteFunc(lines, func(l string) bool {
		bad := strings.HasPrefix(l, "[error]") || strings.HasPrefix(l, "[exception]") || strings.HasPrefix(l, "[assert]")
		return in.Level == "error" && !bad || in.Level == "warning" && !bad && !strings.HasPrefix(l, "[warn]")
	})
	out.Total = len(lines)
	for _, l := range lines[max(0, len(lines)-in.Limit):] {
		out.Lines = append(out.Lines, kit.Untrusted(l))
	}
	return out, nil
}

type networkIn struct {
	Filter string `json:"filter,omitempty" jsonschema:"Part of the URL." max:"500"`
	Static bool   `json:"static,omitempty" jsonschema:"Also pictures, styles, scripts and fonts."`
	kit.PageIn
	inSession
}

type request struct {
	Method string        `json:"method"`
	URL    kit.Untrusted `json:"url"`
	Type   string        `json:"type"`
	Status int           `json:"status,omitempty"`
	Error  string        `json:"error,omitempty"`
}

type networkOut struct {
	Requests []request `json:"requests"`
	kit.PageOut
}

func (s *server) networkRequests(ctx context.Context, c *kit.Call, in networkIn) (networkOut, error) {
	var out networkOut
	w, err := in.Window(50)
	if err != nil {
		return out, err
	}
	err = s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		all := []request{}
		for _, r := range t.Page.Requests() {
			still := slices.Contains([]string{"Image", "Stylesheet", "Script", "Font", "Media", "Manifest"}, r.Type)
			if (in.Static || !still) && strings.Contains(r.URL, in.Filter) {
				all = append(all, request{r.Method, kit.Untrusted(r.URL), r.Type, r.Status, r.Error})
			}
		}
		out.Requests, out.PageOut = kit.Cut(w, all)
		return nil
	})
	return out, err
}

type pdfIn struct {
	Landscape  bool `json:"landscape,omitempty" jsonschema:"Wider than high."`
	Background bool `json:"background,omitempty" jsonschema:"Print background colours and pictures, too."`
	inSession
}

type fileOut struct {
	File kit.File `json:"file"`
}

func (s *server) pdf(ctx context.Context, c *kit.Call, in pdfIn) (fileOut, error) {
	var out fileOut
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		data, err := t.Page.PDF(ctx, in.Landscape, in.Background)
		if err != nil {
			return err
		}
		out.File, err = c.PutFile(ctx, kit.File{Name: "page.pdf", MIMEType: "application/pdf"}, bytes.NewReader(data))
		return err
	})
	return out, err
}

type scriptIn struct {
	Function string `json:"function" jsonschema:"A function: () => document.title; or (element) => element.textContent with target." max:"100000"`
	Target   string `json:"target,omitempty" jsonschema:"CSS selector of the element that is given to the function." max:"2000"`
	looks
}

type scriptOut struct {
	seen
	Result kit.Untrusted `json:"result" jsonschema:"JSON, or undefined."`
}

// Text is the result, then the page.
func (o scriptOut) Text() string { return string(o.Result) + "\n" + o.seen.Text() }

// maxScriptResult bounds what browser_evaluate shows.
const maxScriptResult = 10_000

func (s *server) runScript(ctx context.Context, c *kit.Call, in scriptIn) (scriptOut, error) {
	var out scriptOut
	var err error
	out.seen, err = s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error {
		script := "(" + in.Function + ")()"
		if in.Target != "" {
			raw, merr := json.Marshal(in.Target)
			if merr != nil {
				return merr
			}
			script = "(" + in.Function + ")(document.querySelector(" + string(raw) + "))"
		}
		v, err := t.Page.Evaluate(ctx, script)
		if _, ok := errors.AsType[*page.ScriptError](err); ok {
			return fault.Wrap(err, fault.Invalid, "The script failed. Correct it: it is a function, and what it gives can be written as JSON. Its error is in the console only if it says it there.")
		}
		if err != nil {
			return err
		}
		out.Result = "undefined"
		if !v.Undefined {
			out.Result = kit.Untrusted(v.JSON)
		}
		if len(out.Result) > maxScriptResult {
			return fault.New(fault.Limited, "The result has %d bytes, at most %d are shown. Let the function give less.", len(out.Result), maxScriptResult)
		}
		return nil
	})
	return out, err
}

type m = map[string]any

// cookie is one cookie.
type cookie struct {
	Name     string        `json:"name"`
	Value    kit.Untrusted `json:"value"`
	Domain   string        `json:"domain"`
	Path     string        `json:"path"`
	Expires  string        `json:"expires,omitempty"`
	Secure   bool          `json:"secure,omitempty"`
	HTTPOnly bool          `json:"http_only,omitempty"`
}

type cookiesIn struct {
	Domain string `json:"domain,omitempty" jsonschema:"Only those whose domain ends in this." max:"255"`
	kit.PageIn
	inSession
}

type cookiesOut struct {
	Cookies []cookie `json:"cookies"`
	kit.PageOut
}

// browserCall calls a method of the browser about the context of a session.
func (s *server) browserCall(ctx context.Context, c *kit.Call, in inSession, method string, params m, result any) error {
	one, release, err := s.sessions.Use(ctx, c.User(), in.SessionID)
	if err != nil {
		return err
	}
	defer release()
	return one.Call(ctx, method, params, result)
}

func (s *server) cookies(ctx context.Context, c *kit.Call, in cookiesIn) (cookiesOut, error) {
	w, err := in.Window(50)
	if err != nil {
		return cookiesOut{}, err
	}
	var r struct {
		Cookies []struct {
			Name, Value, Domain, Path string
			Expires                   float64
			Secure, HTTPOnly, Session bool
		}
	}
	if err := s.browserCall(ctx, c, in.inSession, "Storage.getCookies", m{}, &r); err != nil {
		return cookiesOut{}, err
	}
	all := []cookie{}
	for _, k := range r.Cookies {
		if !strings.HasSuffix(k.Domain, in.Domain) {
			continue
		}
		shown := cookie{Name: k.Name, Value: kit.Untrusted(k.Value), Domain: k.Domain, Path: k.Path, Secure: k.Secure, HTTPOnly: k.HTTPOnly}
		if !k.Session {
			shown.Expires = time.Unix(int64(k.Expires), 0).UTC().Format(time.RFC3339)
		}
		all = append(all, shown)
	}
	var out cookiesOut
	out.Cookies, out.PageOut = kit.Cut(w, all)
	return out, nil
}

type setCookieIn struct {
	URL      string `json:"url" jsonschema:"A page of the site that the cookie is for." max:"2000"`
	Name     string `json:"name" jsonschema:"Name of the cookie." min:"1" max:"500"`
	Value    string `json:"value" jsonschema:"Value of the cookie." max:"4000"`
	HTTPOnly bool   `json:"http_only,omitempty" jsonschema:"Hidden from scripts."`
	inSession
}

type doneOut struct {
	Done bool `json:"done"`
}

func (s *server) setCookie(ctx context.Context, c *kit.Call, in setCookieIn) (doneOut, error) {
	if err := s.guard.Check(ctx, in.URL); err != nil {
		return doneOut{}, err
	}
	cookies := []m{{"url": in.URL, "name": in.Name, "value": in.Value, "httpOnly": in.HTTPOnly}}
	err := s.browserCall(ctx, c, in.inSession, "Storage.setCookies", m{"cookies": cookies}, nil)
	return doneOut{err == nil}, err
}

func (s *server) clearCookies(ctx context.Context, c *kit.Call, in inSession) (doneOut, error) {
	err := s.browserCall(ctx, c, in, "Storage.clearCookies", m{}, nil)
	return doneOut{err == nil}, err
}
