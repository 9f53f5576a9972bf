package puppeteer

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/puppeteer/page"
	"drawbridge/internal/servers/puppeteer/session"
)

// contract is how the original shows its schemas.
var contract = kit.Contract{}

// The time limits of the seven tools: the original's, and for what waits for an
// element less, since a model that names the wrong one should hear of it.
const (
	navigateTime = 30 * time.Second
	elementTime  = 10 * time.Second
)

// contractTools are the original's seven.
func (s *server) contractTools() []kit.Tool {
	all := []kit.Tool{
		kit.Read("puppeteer_navigate", "Navigate", "Navigate to a URL", s.navigate).Within(2 * navigateTime),
		kit.Read("puppeteer_screenshot", "Screenshot", "Take a screenshot of the current page or a specific element", s.screenshot),
		kit.Write("puppeteer_click", "Click", "Click an element on the page", s.click),
		kit.Write("puppeteer_fill", "Fill", "Fill out an input field", s.fill).Idempotent(),
		kit.Write("puppeteer_select", "Select", "Select an element on the page with Select tag", s.choose).Idempotent(),
		kit.Write("puppeteer_hover", "Hover", "Hover an element on the page", s.hover),
		// A script does whatever the page may do. It counts among what writes for the
		// operator, as clicks do, which can do the same.
		kit.Destroy("puppeteer_evaluate", "Evaluate", "Execute JavaScript in the browser console", s.evaluate).Restorable(),
	}
	for i := range all {
		all[i] = all[i].InSet("puppeteer").Keeping(contract)
	}
	return all
}

// object is an argument of the original that is taken and not looked into.
type object struct{ raw json.RawMessage }

// JSONSchema is the original's.
func (object) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "object"} }

// UnmarshalJSON keeps the value.
func (o *object) UnmarshalJSON(raw []byte) error { o.raw = bytes.Clone(raw); return nil }

// inSession is how every tool names its session.
type inSession struct {
	SessionID string `json:"session_id,omitempty" jsonschema:"Optional: a separate browser session of yours, with its own cookies and tabs."`
}

// DecodeArguments takes the arguments by their names alone: of a launchOptions that
// the schema does not describe, everything is to be seen.
func (in *navigateIn) DecodeArguments(tool string, raw []byte) error {
	var args map[string]json.RawMessage
	if err := json.Unmarshal(raw, &args); err != nil {
		return fault.Wrap(err, fault.Invalid, "The arguments of %s are not an object. Send one.", tool)
	}
	for name, into := range map[string]any{"url": &in.URL, "allowDangerous": &in.AllowDangerous, "session_id": &in.SessionID, "launchOptions": &in.LaunchOptions} {
		if v, ok := args[name]; ok && string(v) != "null" {
			if err := json.Unmarshal(v, into); err != nil {
				return fault.Wrap(err, fault.Invalid, "The argument %s of %s has the wrong type. Correct it.", name, tool)
			}
		}
	}
	if in.URL == "" {
		return fault.New(fault.Invalid, "The arguments of %s lack url. Send one.", tool)
	}
	return nil
}

type navigateIn struct {
	URL            string `json:"url" jsonschema:"URL to navigate to"`
	LaunchOptions  object `json:"launchOptions,omitzero" jsonschema:"PuppeteerJS LaunchOptions. Default null. If changed and not null, browser restarts. Example: { headless: true, args: ['--no-sandbox'] }"`
	AllowDangerous bool   `json:"allowDangerous,omitempty" jsonschema:"Allow dangerous LaunchOptions that reduce security. When false, dangerous args like --no-sandbox will throw errors. Default false."`
	inSession
}

// run gives the current tab of a session to f, and tells the user's watchers when the
// console has something new.
func (s *server) run(ctx context.Context, c *kit.Call, in inSession, f func(*session.Session, *session.Tab) error) error {
	one, release, err := s.sessions.Use(ctx, c.User(), in.SessionID)
	if err != nil {
		return err
	}
	defer release()
	t, err := one.Current(ctx)
	if err != nil {
		return err
	}
	_, before := one.Console()
	err = f(one, t)
	if aerr := one.Allowed(t); aerr != nil {
		return aerr
	}
	if _, now := one.Console(); now != before {
		c.Updated(consoleURI)
	}
	return err
}

func (s *server) navigate(ctx context.Context, c *kit.Call, in navigateIn) (kit.Text, error) {
	if err := s.refuseLaunch(in); err != nil {
		return "", err
	}
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		err := s.goTo(ctx, t, in.URL)
		var net *page.NetError
		if errors.As(err, &net) && fault.CodeOf(err) == fault.Upstream {
			return fault.Wrap(err, fault.Upstream, "%s", net.Error())
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return kit.Text("Navigated to " + in.URL), nil
}

// goTo opens a URL in a tab. Where the network ended it, the guard may know better why.
func (s *server) goTo(ctx context.Context, t *session.Tab, url string) error {
	since := time.Now()
	if err := s.guard.Check(ctx, url); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, navigateTime)
	defer cancel()
	err := t.Page.Navigate(ctx, url)
	if net, ok := errors.AsType[*page.NetError](err); ok {
		if why := s.guard.Why(net.URL, since); why != nil && fault.CodeOf(why) == fault.Forbidden {
			return why
		}
	}
	return err
}

// refuseLaunch refuses what the original would restart its browser for: here the
// browser is everybody's, and its flags are the operator's.
func (s *server) refuseLaunch(in navigateIn) error {
	if len(in.LaunchOptions.raw) == 0 || string(in.LaunchOptions.raw) == "null" {
		return nil
	}
	var options map[string]json.RawMessage
	if err := json.Unmarshal(in.LaunchOptions.raw, &options); err != nil {
		return fault.Wrap(err, fault.Invalid, "launchOptions is not an object. Leave it out.")
	}
	for name := range options {
		if name != "headless" && name != "defaultViewport" {
			return fault.New(fault.Forbidden, "launchOptions cannot set %q: this browser is started by its operator, for everybody. Leave launchOptions out.", name)
		}
	}
	return nil
}

type screenshotIn struct {
	Name     string  `json:"name" jsonschema:"Name for the screenshot"`
	Selector string  `json:"selector,omitempty" jsonschema:"CSS selector for element to screenshot"`
	Width    float64 `json:"width,omitempty" jsonschema:"Width in pixels (default: 800)"`
	Height   float64 `json:"height,omitempty" jsonschema:"Height in pixels (default: 600)"`
	Encoded  bool    `json:"encoded,omitempty" jsonschema:"If true, capture the screenshot as a base64-encoded data URI (as text) instead of binary image content. Default false."`
	inSession
}

// maxViewport bounds an edge of the viewport.
const maxViewport = 4000

func (s *server) screenshot(ctx context.Context, c *kit.Call, in screenshotIn) (kit.Text, error) {
	if len(in.Name) == 0 || len(in.Name) > 200 {
		return "", fault.New(fault.Invalid, "The name of a screenshot has 1 to 200 bytes. Choose another one.")
	}
	if in.Width < 0 || in.Width > maxViewport || in.Height < 0 || in.Height > maxViewport {
		return "", fault.New(fault.Invalid, "Width and height are at most %d pixels. Correct them.", maxViewport)
	}
	var out kit.Text
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		width, height := t.Page.Size()
		if in.Width > 0 {
			width = int(in.Width)
		}
		if in.Height > 0 {
			height = int(in.Height)
		}
		if in.Width > 0 || in.Height > 0 {
			if err := t.Page.Resize(ctx, width, height); err != nil {
				return err
			}
		}
		pic, err := t.Page.Shoot(ctx, page.Shooting{Target: page.Target(in.Selector)})
		if errors.Is(err, page.ErrMissing) {
			return fault.Wrap(err, fault.NotFound, "Element not found: %s", in.Selector)
		}
		if err != nil {
			return err
		}
		s.sessions.Keep(c.User(), in.Name, pic.Data)
		out = kit.Text(fmt.Sprintf("Screenshot '%s' taken at %dx%d", in.Name, width, height))
		if in.Encoded {
			c.AddText("data:image/png;base64," + base64.StdEncoding.EncodeToString(pic.Data))
			return nil
		}
		c.AddImage(pic.MIMEType, pic.Data)
		return nil
	})
	if err == nil {
		c.ResourcesChanged()
	}
	return out, err
}

type selectorIn struct {
	Selector string `json:"selector" jsonschema:"CSS selector for element to click"`
	inSession
}

type hoverIn struct {
	Selector string `json:"selector" jsonschema:"CSS selector for element to hover"`
	inSession
}

type fillIn struct {
	Selector string `json:"selector" jsonschema:"CSS selector for input field"`
	Value    string `json:"value" jsonschema:"Value to fill"`
	inSession
}

type selectIn struct {
	Selector string `json:"selector" jsonschema:"CSS selector for element to select"`
	Value    string `json:"value" jsonschema:"Value to select"`
	inSession
}

func (s *server) click(ctx context.Context, c *kit.Call, in selectorIn) (kit.Text, error) {
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		return t.Page.Click(ctx, page.Target(in.Selector), page.Clicking{})
	})
	return said(err, "click", in.Selector, "Clicked: "+in.Selector)
}

func (s *server) fill(ctx context.Context, c *kit.Call, in fillIn) (kit.Text, error) {
	err := s.patiently(ctx, c, in.inSession, in.Selector, func(t *session.Tab) error {
		return t.Page.Fill(ctx, page.Target(in.Selector), in.Value, false)
	})
	return said(err, "fill", in.Selector, fmt.Sprintf("Filled %s with: %s", in.Selector, in.Value))
}

func (s *server) choose(ctx context.Context, c *kit.Call, in selectIn) (kit.Text, error) {
	err := s.patiently(ctx, c, in.inSession, in.Selector, func(t *session.Tab) error {
		_, err := t.Page.Select(ctx, page.Target(in.Selector), []string{in.Value}, false)
		return err
	})
	return said(err, "select", in.Selector, fmt.Sprintf("Selected %s with: %s", in.Selector, in.Value))
}

func (s *server) hover(ctx context.Context, c *kit.Call, in hoverIn) (kit.Text, error) {
	err := s.patiently(ctx, c, in.inSession, in.Selector, func(t *session.Tab) error {
		return t.Page.Hover(ctx, page.Target(in.Selector))
	})
	return said(err, "hover", in.Selector, "Hovered "+in.Selector)
}

// patiently runs f again until its element is there.
func (s *server) patiently(ctx context.Context, c *kit.Call, in inSession, selector string, f func(*session.Tab) error) error {
	return s.run(ctx, c, in, func(_ *session.Session, t *session.Tab) error {
		err := f(t)
		if !errors.Is(err, page.ErrMissing) {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, elementTime)
		defer cancel()
		if err := t.Page.WaitFor(wait, page.Has(page.Target(selector)), selector); err != nil {
			return fault.Wrap(err, fault.CodeOf(err), "Waiting for selector `%s` failed", selector)
		}
		return f(t)
	})
}

// said makes the original's texts.
func said(err error, verb, selector, text string) (kit.Text, error) {
	if err == nil {
		return kit.Text(text), nil
	}
	why := fault.PublicOf(err)
	switch {
	case errors.Is(err, page.ErrSelector):
		why = fmt.Sprintf("SyntaxError: Failed to execute 'querySelector' on 'Document': '%s' is not a valid selector.", selector)
	case errors.Is(err, page.ErrMissing) && verb == "click":
		why = "No element found for selector: " + selector
	case errors.Is(err, page.ErrHidden):
		why = "Node is either not clickable or not an Element"
	}
	return "", fault.Wrap(err, fault.CodeOf(err), "Failed to %s %s: %s", verb, selector, why)
}

type evaluateIn struct {
	Script string `json:"script" jsonschema:"JavaScript code to execute"`
	inSession
}

// listen and hush put the console of a page through to us for the time of a script,
// as the original does.
const (
	listen = `(() => {
	const kept = { logs: [], originalConsole: { ...console } };
	window.mcpHelper = kept;
	for (const method of ['log', 'info', 'warn', 'error']) {
		console[method] = (...args) => { kept.logs.push('[' + method + '] ' + args.join(' ')); kept.originalConsole[method](...args); };
	}
})()`
	hush = `(() => {
	const kept = window.mcpHelper;
	if (!kept) return [];
	Object.assign(console, kept.originalConsole);
	delete window.mcpHelper;
	return kept.logs;
})()`
)

// maxResult bounds what a script may give.
const maxResult = 256 << 10

func (s *server) evaluate(ctx context.Context, c *kit.Call, in evaluateIn) (kit.Text, error) {
	var out kit.Text
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		if _, err := t.Page.Evaluate(ctx, listen); err != nil {
			return scriptFailed(err)
		}
		result, err := t.Page.Evaluate(ctx, in.Script)
		logs, lerr := t.Page.Evaluate(ctx, hush)
		if err != nil {
			return scriptFailed(err)
		}
		var lines []string
		if lerr == nil && json.Unmarshal(logs.JSON, &lines) != nil {
			lines = nil // the script has put something else in place
		}
		shown := "undefined"
		if !result.Undefined {
			shown = kit.Indented(result.JSON)
		}
		text := fmt.Sprintf("Execution result:\n%s\n\nConsole output:\n%s", shown, strings.Join(lines, "\n"))
		if len(text) > maxResult {
			return fault.New(fault.Limited, "Script execution failed: the result has %d bytes, at most %d are shown. Let the script give less.", len(text), maxResult)
		}
		out = kit.Text(text)
		c.Meta("drawbridge/untrusted", "true")
		return nil
	})
	return out, err
}

func scriptFailed(err error) error {
	if thrown, ok := errors.AsType[*page.ScriptError](err); ok {
		return fault.Wrap(err, fault.Invalid, "Script execution failed: %s", thrown.Message)
	}
	return fault.Wrap(err, fault.CodeOf(err), "Script execution failed: %s", fault.PublicOf(err))
}
