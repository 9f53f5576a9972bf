package kit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

type echoIn struct {
	Text  string `json:"text" jsonschema:"What to say." max:"20"`
	Times int    `json:"times,omitempty" jsonschema:"How often." min:"1" max:"9" default:"1"`
}

type echoOut struct {
	Said  []string `json:"said"`
	Empty []string `json:"empty"`
	Note  *string  `json:"note,omitempty"`
}

func echo(_ context.Context, c *kit.Call, in echoIn) (echoOut, error) {
	var out echoOut
	for i := range in.Times {
		out.Said = append(out.Said, c.User()+": "+in.Text)
		c.Progress(float64(i+1), float64(in.Times), "saying")
	}
	return out, nil
}

type none struct{}

// failing is a tool that fails with err.
func failing(name string, err error) kit.Tool {
	return kit.Read(name, name, "Fails.", func(context.Context, *kit.Call, none) (none, error) { return none{}, err })
}

func spec() kit.Spec {
	return kit.Spec{
		Name: "sample", Title: "Sample", Instructions: "For tests.",
		Tools: []kit.Tool{
			kit.Read("echo", "Echo", "Says it again.", echo),
			kit.Write("touch", "Touch", "Tells of a change.", func(_ context.Context, c *kit.Call, _ none) (kit.Text, error) {
				c.Updated("sample://fixed")
				c.Meta("drawbridge/x", "y")
				return "touched", nil
			}),
		},
		Resources: []kit.Resource{{URI: "sample://fixed", Name: "fixed", MIMEType: "text/plain", Read: func(_ context.Context, c *kit.Call) (kit.Content, error) {
			return kit.Content{Text: "of " + c.User()}, nil
		}}},
		Templates: []kit.Template{{
			URITemplate: "sample://{a}/x/{b}", Name: "pair", MIMEType: "application/octet-stream",
			Read: func(_ context.Context, _ *kit.Call, vars map[string]string) (kit.Content, error) {
				if vars["a"] == "none" {
					return kit.Content{}, fault.New(fault.NotFound, "There is none. Look elsewhere.")
				}
				return kit.Content{Blob: []byte(vars["a"] + "+" + vars["b"])}, nil
			},
			List: func(context.Context, *kit.Call) ([]kit.Listed, error) {
				var all []kit.Listed
				for i := range 700 {
					all = append(all, kit.Listed{URI: kit.Expand("sample://{a}/x/{b}", fmt.Sprint(i), "ü/"), Name: fmt.Sprint(i)})
				}
				return all, nil
			},
			Complete: func(_ context.Context, c *kit.Call, variable, typed string) ([]string, error) {
				if a := c.Given("a"); a != "" {
					return []string{"of " + a}, nil
				}
				var all []string
				for i := range 150 {
					all = append(all, fmt.Sprintf("%s%s%d", variable, typed, i))
				}
				return all, nil
			},
		}},
		Prompts: []kit.Prompt{{Name: "greet", Description: "Greets.", Arguments: []kit.Argument{{Name: "who", Required: true}},
			Render: func(_ context.Context, _ *kit.Call, args map[string]string) ([]kit.Message, error) {
				return []kit.Message{{Role: "user", Text: "Hello " + args["who"]}, {Role: "assistant", Text: "\"Hi\""}}, nil
			}}},
	}
}

// serve makes a client of the server with more tools, and its log.
func serve(t *testing.T, s kit.Spec, more ...kit.Tool) (*kittest.Client, *kittest.Log) {
	t.Helper()
	s.Tools = append(s.Tools, more...)
	log := &kittest.Log{}
	srv, err := kit.New(s, kittest.Deps(log, nil))
	if err != nil {
		t.Fatal(err)
	}
	return kittest.NewClient(srv, "ann"), log
}

func serveFuzz(f *testing.F) (*kittest.Client, *kittest.Log) {
	f.Helper()
	log := &kittest.Log{}
	srv, err := kit.New(spec(), kittest.Deps(log, nil))
	if err != nil {
		f.Fatal(err)
	}
	return kittest.NewClient(srv, "ann"), log
}

func TestCall(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, spec())
	r := c.Must(t, "echo", `{"text":"<é>","times":2}`, nil)
	const want = `{"said":["ann: <é>","ann: <é>"],"empty":[]}`
	if r.Text != want || string(r.Structured) != want {
		t.Errorf("text %s, structured %s, want %s", r.Text, r.Structured, want)
	}
	if r := c.Must(t, "echo", `{"text":"x"}`, nil); !strings.Contains(r.Text, `["ann: x"]`) {
		t.Errorf("the default of times: %s", r.Text)
	}
	if r := c.Must(t, "touch", ``, nil); r.Text != "touched" || r.Structured != nil || r.Meta["drawbridge/x"] != "y" {
		t.Errorf("text alone: %+v", r)
	}
	if text := c.Refused(t, "echo", `{"times":10,"loud":true}`); text != "The arguments of echo do not fit:\n- text: missing, expected a string\n- times: must be at most 9\n- loud: unknown; this tool takes text, times\nCorrect them and call again." {
		t.Errorf("refusal: %s", text)
	}
}

func TestProtocolErrors(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, spec())
	for _, tc := range []struct {
		method, params string
		code           int
	}{
		{"tools/call", `{"name":"nope"}`, mcpwire.CodeInvalidParams},
		{"tools/call", `{"name":"echo","arguments":[]}`, mcpwire.CodeInvalidParams},
		{"tools/call", `{"name":"echo","arguments":null}`, mcpwire.CodeInvalidParams},
		{"tools/list", `{"cursor":"x"}`, mcpwire.CodeInvalidParams},
		{"resources/list", `{"cursor":"x"}`, mcpwire.CodeInvalidParams},
		{"resources/read", `{"uri":"sample://nothing"}`, mcpwire.CodeInvalidParams},
		{"resources/read", `{"uri":"sample://none/x/b"}`, mcpwire.CodeInvalidParams},
		{"resources/read", `{"uri":"sample://a/x/b/c"}`, mcpwire.CodeInvalidParams},
		{"resources/read", `{"uri":"sample://%zz/x/b"}`, mcpwire.CodeInvalidParams},
		{"prompts/get", `{"name":"nope"}`, mcpwire.CodeInvalidParams},
		{"prompts/get", `{"name":"greet"}`, mcpwire.CodeInvalidParams},
		{"prompts/get", `{"name":"greet","arguments":{"who":5}}`, mcpwire.CodeInvalidParams},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"nope"},"argument":{"name":"a","value":""}}`, mcpwire.CodeInvalidParams},
		{"no/method", ``, mcpwire.CodeMethodNotFound},
	} {
		if raw, werr := c.Serve(t.Context(), t, tc.method, tc.params); werr == nil || werr.Code != tc.code {
			t.Errorf("%s %s: %s %v, want code %d", tc.method, tc.params, raw, werr, tc.code)
		}
	}
}

// What is public stays public, what is a cause is logged once and not shown.
func TestErrors(t *testing.T) {
	t.Parallel()
	secretCause := errors.New("dial 10.0.0.7: hunter2")
	c, log := serve(t, spec(),
		failing("internal", secretCause),
		failing("upstream", fmt.Errorf("fetch: %w", fault.Wrap(secretCause, fault.Upstream, "The other side failed. Try later."))),
		failing("invalid", fault.New(fault.Invalid, "That is wrong. Do it right.")),
		kit.Read("panics", "Panics", "Panics.", func(context.Context, *kit.Call, none) (none, error) { panic("hunter2") }),
	)
	for tool, want := range map[string]string{
		"internal": fault.PublicInternal, "upstream": "The other side failed. Try later.", "invalid": "That is wrong. Do it right.", "panics": fault.PublicInternal,
	} {
		if text := c.Refused(t, tool, ``); text != want {
			t.Errorf("%s: %q, want %q", tool, text, want)
		}
	}
	if n := strings.Count(log.String(), "hunter2"); n != 3 {
		t.Errorf("%d causes in the log, want 3:\n%s", n, log)
	}
	if strings.Contains(log.String(), `"what":"invalid","code":"invalid"`) && strings.Contains(log.String(), `"level":"WARN","msg":"call of a built-in server failed","server":"sample","what":"invalid"`) {
		t.Errorf("a caller's mistake is no warning: %s", log)
	}
	c.Must(t, "echo", `{"text":"still here"}`, nil)
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := serve(t, spec(), kit.Read("slow", "Slow", "Waits.", func(ctx context.Context, _ *kit.Call, _ none) (none, error) {
			<-ctx.Done()
			return none{}, fmt.Errorf("wait: %w", ctx.Err())
		}).Within(time.Minute))
		start := time.Now()
		if text := c.Refused(t, "slow", ``); !strings.Contains(text, "within 1m0s") || time.Since(start) != time.Minute {
			t.Errorf("after %s: %s", time.Since(start), text)
		}
	})
}

func TestParallelCallsAreBounded(t *testing.T) {
	t.Parallel()
	s := spec()
	s.Parallel = 2
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		c, _ := serve(t, s, kit.Read("work", "Work", "Works.", func(context.Context, *kit.Call, none) (none, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return none{}, nil
		}))
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() { c.Must(t, "work", ``, nil) })
		}
		calls.Wait()
		if most != 2 {
			t.Errorf("%d calls ran at once, want 2", most)
		}
	})
}

func TestProgress(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, spec())
	c.Must(t, "echo", `{"text":"quiet"}`, nil)
	if said := c.Sink.Said(); len(said) != 0 {
		t.Errorf("progress without a token: %v", said)
	}
	c.Ask(t, "tools/call", `{"name":"echo","arguments":{"text":"x","times":2},"_meta":{"progressToken":"p\u00e9"}}`)
	said := c.Sink.Said()
	if len(said) != 2 || said[1] != `notifications/progress {"progressToken":"pé","progress":2,"total":2,"message":"saying"}` &&
		said[1] != `notifications/progress {"progressToken":"p\u00e9","progress":2,"total":2,"message":"saying"}` {
		t.Errorf("progress: %v", said)
	}
}

type bigOut struct {
	Data string `json:"data"`
}

func TestOutputBudget(t *testing.T) {
	t.Parallel()
	sized := func(name string, n int) kit.Tool {
		return kit.Read(name, name, "Large.", func(context.Context, *kit.Call, none) (bigOut, error) {
			return bigOut{strings.Repeat("é", n/2)}, nil
		})
	}
	exact := sized("exact", 2<<20).Keeping(kit.Contract{})
	c, _ := serve(t, spec(), sized("large", 40<<10), sized("huge", 2<<20), exact)
	r := c.Must(t, "large", ``, nil)
	if len(r.Text) > 17<<10 || !strings.Contains(r.Text, "of 40971 bytes shown") || len(r.Structured) < 40<<10 {
		t.Errorf("%d bytes of text: ...%s", len(r.Text), r.Text[len(r.Text)-100:])
	}
	if text := c.Refused(t, "huge", ``); !strings.Contains(text, "Ask for less") {
		t.Errorf("huge: %.200s", text)
	}
	if r := c.Must(t, "exact", ``, nil); len(r.Text) < 2<<20 {
		t.Errorf("a contract's output was cut to %d bytes", len(r.Text))
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	type listOut struct {
		Items []string `json:"items"`
		kit.PageOut
	}
	c, _ := serve(t, spec(), kit.Read("list", "List", "Lists.", func(_ context.Context, _ *kit.Call, in kit.PageIn) (out listOut, err error) {
		w, err := in.Window(100)
		if err != nil {
			return out, err
		}
		all := make([]string, 250)
		for i := range all {
			all[i] = strings.Repeat("x", 500)
		}
		out.Items, out.PageOut = kit.Cut(w, all)
		return out, nil
	}))
	seen, pages := 0, 0
	for cursor := ""; ; pages++ {
		var out struct {
			Items      []string
			Total      int
			NextCursor string `json:"next_cursor"`
		}
		r := c.Must(t, "list", `{"cursor":"`+cursor+`"}`, &out)
		if len(r.Text) > 16<<10 || strings.Contains(r.Text, "[cut") || out.Total != 250 {
			t.Errorf("a page of %d bytes, total %d", len(r.Text), out.Total)
		}
		seen += len(out.Items)
		if cursor = out.NextCursor; cursor == "" {
			break
		}
	}
	if seen != 250 || pages < 8 {
		t.Errorf("%d items on %d pages", seen, pages)
	}
	for _, cursor := range []string{"x", "bzE", "bw", "by0x", "!!"} {
		r := c.Call(t, "list", `{"cursor":"`+cursor+`"}`)
		if ok := cursor == "bzE"; r.IsError == ok { // bzE is o1
			t.Errorf("cursor %s: %.100s", cursor, r.Text)
		}
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, spec())
	if text, werr := c.Resource(t, "sample://fixed"); werr != nil || text != "of ann" {
		t.Errorf("fixed: %q, %v", text, werr)
	}
	raw := string(c.Ask(t, "resources/read", `{"uri":"sample://a%2Fb/x/%C3%BC"}`))
	if want := `{"resultType":"complete","contents":[{"uri":"sample://a%2Fb/x/%C3%BC","mimeType":"application/octet-stream","blob":"YS9iK8O8"}],"ttlMs":0,"cacheScope":"private"}`; raw != want {
		t.Errorf("template: %s, want %s", raw, want)
	}
	type list struct {
		Resources  []struct{ URI string }
		NextCursor string
	}
	var first, second list
	if err := json.Unmarshal(c.Ask(t, "resources/list", ``), &first); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(c.Ask(t, "resources/list", `{"cursor":"`+first.NextCursor+`"}`), &second); err != nil {
		t.Fatal(err)
	}
	if len(first.Resources) != 500 || len(second.Resources) != 201 || second.NextCursor != "" || second.Resources[200].URI != "sample://699/x/%C3%BC%2F" {
		t.Errorf("%d and %d resources", len(first.Resources), len(second.Resources))
	}
	raw = string(c.Ask(t, "resources/templates/list", ``))
	if !strings.Contains(raw, `"resourceTemplates":[{"uriTemplate":"sample://{a}/x/{b}","name":"pair"`) {
		t.Errorf("templates: %s", raw)
	}
	gateway := &kittest.Client{Server: c.Server, Sink: c.Sink}
	if raw := string(gateway.Ask(t, "resources/list", ``)); strings.Contains(raw, "sample://1/") || !strings.Contains(raw, `"cacheScope":"public"`) {
		t.Errorf("without a user: %.200s", raw)
	}
}

func TestPromptsAndCompletion(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, spec())
	raw := string(c.Ask(t, "prompts/get", `{"name":"greet","arguments":{"who":"<Bo>"}}`))
	want := `{"resultType":"complete","description":"Greets.","messages":[{"role":"user","content":{"type":"text","text":"Hello <Bo>"}},{"role":"assistant","content":{"type":"text","text":"\"Hi\""}}]}`
	if raw != want {
		t.Errorf("prompt %s, want %s", raw, want)
	}
	if raw := string(c.Ask(t, "prompts/list", ``)); !strings.Contains(raw, `"arguments":[{"name":"who","required":true}]`) {
		t.Errorf("prompts: %s", raw)
	}
	raw = string(c.Ask(t, "completion/complete", `{"ref":{"type":"ref/resource","uri":"sample://{a}/x/{b}"},"argument":{"name":"a","value":"t"}}`))
	if !strings.Contains(raw, `"values":["at0","at1"`) || !strings.Contains(raw, `"total":150,"hasMore":true`) || strings.Count(raw, `"at`) != 100 {
		t.Errorf("completion: %s", raw)
	}
	raw = string(c.Ask(t, "completion/complete", `{"ref":{"type":"ref/resource","uri":"sample://{a}/x/{b}"},"argument":{"name":"b","value":""},"context":{"arguments":{"a":"7"}}}`))
	if !strings.Contains(raw, `"values":["of 7"]`) {
		t.Errorf("completion that knows the other variable: %s", raw)
	}
	raw = string(c.Ask(t, "completion/complete", `{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"who","value":"t"}}`))
	if !strings.Contains(raw, `"values":[]`) {
		t.Errorf("completion of what nobody completes: %s", raw)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, spec())
	bob := kittest.NewClient(c.Server, "bob")
	mine := c.Watch(t, mcpwire.Filter{Resources: []string{"sample://fixed"}})
	his := bob.Watch(t, mcpwire.Filter{Resources: []string{"sample://fixed"}})
	c.Must(t, "touch", ``, nil)
	if got := <-mine; got != `notifications/resources/updated {"uri":"sample://fixed"}` {
		t.Errorf("told %s", got)
	}
	bob.Must(t, "touch", ``, nil)
	<-his
	select {
	case got := <-mine:
		t.Errorf("ann heard of bob's change: %s", got)
	default:
	}
	honoured := make(chan mcpwire.Filter, 1)
	ctx, cancel := context.WithCancel(account.WithPrincipal(t.Context(), account.Local()))
	cancel()
	err := c.Server.Watch(ctx, mcpwire.Filter{ToolsChanged: true, Resources: []string{"sample://a/x/b", "other://x"}}, c.Sink, func(f mcpwire.Filter) { honoured <- f })
	if f := <-honoured; err != nil || len(f.Resources) != 1 || !f.ToolsChanged {
		t.Errorf("honoured %+v, %v", f, err)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, spec())
	info := c.Server.Info()
	if got, want := string(info.Capabilities), `{"tools":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"prompts":{"listChanged":true},"completions":{}}`; got != want {
		t.Errorf("capabilities %s, want %s", got, want)
	}
	if got, want := string(info.ServerInfo), `{"name":"sample","title":"Sample","version":"test"}`; got != want {
		t.Errorf("server info %s, want %s", got, want)
	}
	raw := string(c.Ask(t, "server/discover", ``))
	if !strings.Contains(raw, `"supportedVersions":["2026-07-28"]`) || !strings.Contains(raw, `"instructions":"For tests."`) {
		t.Errorf("discover: %s", raw)
	}
}

// Lists work while the server cannot, and it recovers by itself.
func TestPrepare(t *testing.T) {
	t.Parallel()
	s := spec()
	attempts := 0
	s.Prepare = func(context.Context) error {
		if attempts++; attempts < 3 {
			return fault.New(fault.Unavailable, "The database is away. Try again later.")
		}
		return nil
	}
	c, _ := serve(t, s)
	c.Ask(t, "tools/list", ``)
	if attempts != 0 {
		t.Error("listing tools prepared the server")
	}
	for range 2 {
		if text := c.Refused(t, "echo", `{"text":"x"}`); text != "The database is away. Try again later." {
			t.Errorf("while it cannot: %s", text)
		}
	}
	for range 3 {
		c.Must(t, "echo", `{"text":"x"}`, nil)
	}
	if attempts != 3 {
		t.Errorf("prepared %d times, want 3", attempts)
	}
}

func TestMistakesOfAnAuthor(t *testing.T) {
	t.Parallel()
	tool := func(name, title, description string) kit.Tool {
		return kit.Read(name, title, description, func(context.Context, *kit.Call, none) (none, error) { return none{}, nil })
	}
	notAStruct := kit.Read("x", "x", "x", func(context.Context, *kit.Call, int) (none, error) { return none{}, nil })
	for name, change := range map[string]func(*kit.Spec){
		"bad name":           func(s *kit.Spec) { s.Tools = append(s.Tools, tool("Bad-Name", "t", "d")) },
		"no title":           func(s *kit.Spec) { s.Tools = append(s.Tools, tool("ok", "", "d")) },
		"no description":     func(s *kit.Spec) { s.Tools = append(s.Tools, tool("ok", "t", "")) },
		"twice":              func(s *kit.Spec) { s.Tools = append(s.Tools, tool("echo", "t", "d")) },
		"no struct":          func(s *kit.Spec) { s.Tools = append(s.Tools, notAStruct) },
		"unknown set":        func(s *kit.Spec) { s.Tools = append(s.Tools, tool("ok", "t", "d").InSet("none")) },
		"unknown active set": func(s *kit.Spec) { s.Toolsets = []string{"none"} },
		"resource twice":     func(s *kit.Spec) { s.Resources = append(s.Resources, s.Resources[0]) },
		"bad template":       func(s *kit.Spec) { s.Templates[0].URITemplate = "{a}" },
		"prompt twice":       func(s *kit.Spec) { s.Prompts = append(s.Prompts, s.Prompts[0]) },
	} {
		s := spec()
		change(&s)
		if _, err := kit.New(s, kittest.Deps(&kittest.Log{}, nil)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := kit.New(spec(), kit.Deps{}); err == nil {
		t.Error("no dependencies: no error")
	}
}
