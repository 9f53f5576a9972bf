package puppeteer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/puppeteer"
	"drawbridge/internal/servers/puppeteer/session"
)

// seen is the structured answer of the browser_* tools.
type seen struct {
	URL   string
	Page  string
	Notes []string
}

// see calls a tool that shows the page.
func see(t *testing.T, c *kittest.Client, tool, args string) seen {
	t.Helper()
	var out seen
	c.Must(t, tool, args, &out)
	return out
}

// ref finds the reference of the line that contains what.
func ref(t *testing.T, s seen, what string) string {
	t.Helper()
	for line := range strings.SplitSeq(s.Page, "\n") {
		if i := strings.LastIndex(line, "[d"); i >= 0 && strings.Contains(line, what) {
			return strings.TrimSuffix(line[i+1:], "]")
		}
	}
	t.Fatalf("there is no %s in\n%s", what, s.Page)
	return ""
}

func client(t *testing.T) (*kittest.Client, string) {
	t.Helper()
	url := site(t)
	srv, _ := open(t, config())
	return kittest.NewClient(srv, "admin"), url
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in\n%s", p, text)
		}
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	c, url := client(t)
	at := see(t, c, "browser_navigate", `{"url":"`+url+`/form"}`)
	contains(t, at.Page, "title: Form", `textbox "Name" value="old"`, `checkbox "agree"`, `combobox "Colour" value="Red"`, `button "Send"`)
	fields := fmt.Sprintf(`{"fields":[{"target":%q,"value":"Ada"},{"target":"#note","value":"two\nlines"},{"target":%q,"type":"checkbox","value":"true"},{"target":%q,"type":"radio","value":"true"},
		{"target":"#colour","type":"combobox","value":"Green"},{"target":"#day","value":"2026-11-30"},{"target":"#rich","value":"poor"}],"snapshot":"diff"}`,
		ref(t, at, `"Name"`), ref(t, at, `"agree"`), ref(t, at, `"two"`))
	at = see(t, c, "browser_fill_form", fields)
	contains(t, at.Page, `+ textbox "Name" value="Ada"`, `- textbox "Name" value="old"`, "[checked", `value="poor"`)
	again := see(t, c, "browser_snapshot", `{"only":"actions"}`)
	if r := ref(t, again, `"Name"`); !strings.Contains(fields, r) {
		t.Errorf("the reference of a field became %s though the document stayed", r)
	}
	sent := see(t, c, "browser_click", `{"target":"`+ref(t, again, `"Send"`)+`","snapshot":"full"}`)
	contains(t, sent.URL, "n=Ada", "t=two%0D%0Alines", "c=on", "r=2", "s=g", "d=2026-11-30")
	contains(t, strings.Join(sent.Notes, " "), "new page")
	if text := c.Refused(t, "browser_click", `{"target":"`+ref(t, again, `"Send"`)+`"}`); !strings.Contains(text, "another page") {
		t.Errorf("a reference of the page before: %s", text)
	}
	if text := c.Refused(t, "browser_click", `{"target":"d1e99999"}`); !strings.Contains(text, "snapshot") {
		t.Errorf("a reference that never was: %s", text)
	}
	back := see(t, c, "browser_navigate_back", `{"snapshot":"full"}`)
	contains(t, back.Page, "title: Form")
	contains(t, see(t, c, "browser_navigate_back", `{"forward":true}`).URL, "/submit")
	c.Refused(t, "browser_navigate_back", `{"forward":true}`)
	for args, why := range map[string]string{
		`{"fields":[{"target":"#name","value":"a"},{"target":"#box","value":"x"}]}`: "Field 2",
		`{"fields":[{"target":"#day","value":"tomorrow"}]}`:                         "YYYY-MM-DD",
		`{"fields":[{"target":"#box","type":"checkbox","value":"maybe"}]}`:          "true or false",
		`{"fields":[{"target":"#colour","type":"combobox","value":"Blue"}]}`:        "no option",
		`{"fields":[{"target":"#colour","value":"g"}]}`:                             "selects an option",
		`{"fields":[{"target":"h1","value":"g"}]}`:                                  "takes no text",
		`{"fields":[{"target":"h1","type":"checkbox","value":"true"}]}`:             "neither a checkbox",
	} {
		c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/form"}`, nil)
		contains(t, c.Refused(t, "browser_fill_form", args), why)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	c, url := client(t)
	to := func(path string) seen { t.Helper(); return see(t, c, "browser_navigate", `{"url":"`+url+path+`"}`) }

	at := to("/frames")
	at = see(t, c, "browser_click", `{"target":"`+ref(t, at, `"push"`)+`","snapshot":"full"}`)
	contains(t, at.Page, `button "pushed"`)

	at = to("/shadow")
	contains(t, see(t, c, "browser_click", `{"target":"`+ref(t, at, `"deep"`)+`"}`).URL, "/shadow")

	to("/cover")
	contains(t, c.Refused(t, "browser_click", `{"target":"#b"}`), "covered")
	contains(t, c.Refused(t, "browser_click", `{"target":"#off"}`), "disabled")
	contains(t, c.Refused(t, "browser_click", `{"target":"#none"}`), "hidden")

	to("/keys")
	c.Must(t, "browser_type", `{"target":"#k","text":"aB1","slowly":true}`, nil)
	c.Must(t, "browser_press_key", `{"key":"Control+a"}`, nil)
	at = see(t, c, "browser_press_key", `{"key":"Backspace","snapshot":"full"}`)
	contains(t, at.Page, "a B 1 a! Backspace")
	if strings.Contains(at.Page, `value=`) {
		t.Errorf("the field was not emptied:\n%s", at.Page)
	}
	c.Refused(t, "browser_press_key", `{"key":"Hyper+x"}`)
	c.Refused(t, "browser_press_key", `{"key":"Nokey"}`)

	at = to("/dialog")
	at = see(t, c, "browser_click", `{"target":"`+ref(t, at, `"ask"`)+`","snapshot":"full"}`)
	contains(t, at.Page, "title: false/null", "confirm: Sure?", "prompt: Name?")
	c.Must(t, "browser_handle_dialog", `{"accept":true}`, nil)
	at = see(t, c, "browser_click", `{"target":"text/ask","snapshot":"full"}`)
	contains(t, at.Page, "title: true/null")
	at = see(t, c, "browser_click", `{"target":"#a","snapshot":"full"}`)
	contains(t, at.Page, "title: alerted")
	contains(t, strings.Join(at.Notes, " "), "accepted")

	at = to("/popup")
	at = see(t, c, "browser_click", `{"target":"`+ref(t, at, `"new tab"`)+`"}`)
	contains(t, strings.Join(at.Notes, " "), "1 new tab")
	var tabs struct {
		Tabs []struct {
			URL    string
			Active bool
		}
	}
	c.Must(t, "browser_tabs", `{"action":"select","index":1}`, &tabs)
	if len(tabs.Tabs) != 2 || !tabs.Tabs[1].Active {
		t.Errorf("tabs: %v", tabs)
	}
	c.Must(t, "browser_wait_for", `{"text":"You came","time":10}`, nil)
	contains(t, see(t, c, "browser_snapshot", `{}`).Page, "You came")
	c.Must(t, "browser_tabs", `{"action":"close","index":1}`, &tabs)
	c.Must(t, "browser_tabs", `{"action":"new","url":"`+url+`/next"}`, &tabs)
	if n := len(tabs.Tabs); n != 2 || !tabs.Tabs[1].Active || !strings.HasSuffix(tabs.Tabs[1].URL, "/next") {
		t.Errorf("a new tab: %v", tabs)
	}
	c.Must(t, "browser_tabs", `{"action":"close","index":1}`, nil)
	see(t, c, "browser_click", `{"target":"text/many"}`)
	for range 12 {
		c.Must(t, "browser_tabs", `{"action":"select","index":0}`, nil)
		c.Must(t, "puppeteer_click", `{"selector":"a"}`, nil)
	}
	c.Must(t, "browser_tabs", `{"action":"list"}`, &tabs)
	if n := len(tabs.Tabs); n != 10 {
		t.Errorf("a page has opened %d tabs", n)
	}
	contains(t, c.Refused(t, "browser_tabs", `{"action":"new"}`), "most")
	c.Must(t, "browser_close", "", nil)

	to("/drag")
	contains(t, see(t, c, "browser_drag", `{"startTarget":"#a","endTarget":"#z","snapshot":"full"}`).Page, "title: dropped")

	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/late"}`, nil)
	c.Must(t, "browser_wait_for", `{"text":"it is here","target":"#late","textGone":"nothing","time":20}`, nil)
	contains(t, c.Refused(t, "browser_wait_for", `{"text":"never","time":0.2}`), "too long")
	c.Must(t, "browser_wait_for", `{}`, nil)

	at = to("/form")
	c.Must(t, "browser_resize", `{"width":500,"height":400}`, nil)
	contains(t, c.Must(t, "browser_take_screenshot", `{"type":"jpeg"}`, nil).Text, "500x400 jpeg")
	contains(t, c.Must(t, "browser_take_screenshot", `{"fullPage":true}`, nil).Text, "500x")
	contains(t, c.Must(t, "browser_take_screenshot", `{"target":"`+ref(t, at, `"Send"`)+`"}`, nil).Text, "png")
	contains(t, c.Must(t, "browser_hover", `{"target":"#hov","snapshot":"full"}`, nil).Text, "hovered")
	contains(t, c.Must(t, "browser_evaluate", `{"function":"(el) => el.id","target":"h1 + form input"}`, nil).Text, `"name"`)
	contains(t, c.Refused(t, "browser_evaluate", `{"function":"() => { throw new Error('follow me') }"}`), "failed")
	contains(t, c.Must(t, "browser_select_option", `{"target":"#colour","values":["Green"],"snapshot":"full"}`, nil).Text, `combobox "Colour" value="Green"`)
	contains(t, c.Must(t, "browser_console_messages", `{}`, nil).Text, "[log] form 1 true")
	contains(t, c.Must(t, "browser_network_requests", `{"filter":"/form"}`, nil).Text, `"status":200`)
}

// A screenshot is never larger than what models look at.
func TestScreenshotIsBounded(t *testing.T) {
	t.Parallel()
	c, url := client(t)
	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/big"}`, nil)
	for _, args := range []string{`{"name":"a","width":4000,"height":3000}`, `{"name":"a","selector":"table"}`} {
		raw := c.Ask(t, "tools/call", `{"name":"puppeteer_screenshot","arguments":`+args+`}`)
		var r struct{ Content []struct{ Data string } }
		if err := json.Unmarshal(raw, &r); err != nil || len(r.Content) != 2 {
			t.Fatalf("%.300s: %v", raw, err)
		}
		var width, height int
		if _, err := fmt.Sscanf(pictureSize(r.Content[1].Data), "png %dx%d", &width, &height); err != nil || width > 1568 || height > 1568 || width < 1 {
			t.Errorf("%s: %dx%d, %v", args, width, height, err)
		}
	}
	c.Refused(t, "puppeteer_screenshot", `{"name":"a","width":100000}`)
}

func TestReading(t *testing.T) {
	t.Parallel()
	c, url := client(t)
	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/list"}`, nil)
	text := c.Must(t, "browser_get_text", `{}`, nil).Text
	contains(t, text, "# Goods", "Some **bold** and [linked]("+url+"/next) text.", "| Tea | 3 |", "- two\n  1. inner", "```\na\n b\n```")
	if strings.Contains(text, "menu") {
		t.Error("the menu is in the main content")
	}
	contains(t, c.Must(t, "browser_get_text", `{"whole":true}`, nil).Text, "menu")
	contains(t, c.Must(t, "browser_get_text", `{"target":"nav","format":"text"}`, nil).Text, "menu")
	var rows struct {
		Rows  []map[string]string
		Total int
	}
	c.Must(t, "browser_extract", `{"rows":"tr.row","limit":1,"fields":[{"name":"name","selector":".n","attr":""},{"name":"class","selector":"","attr":"class"}]}`, &rows)
	if rows.Total != 2 || len(rows.Rows) != 1 || rows.Rows[0]["name"] != "Tea" || rows.Rows[0]["class"] != "row" {
		t.Errorf("rows: %v", rows)
	}
	c.Refused(t, "browser_extract", `{"rows":"##","fields":[{"name":"x","selector":"","attr":""}]}`)

	// A page of 5,000 rows costs no more than the bound, and can be read on.
	big := see(t, c, "browser_navigate", `{"url":"`+url+`/big"}`)
	if len(big.Page) > 13_000 {
		t.Errorf("the outline has %d bytes", len(big.Page))
	}
	contains(t, big.Page, "more lines")
	var part struct {
		Text        string
		Total, Next int
	}
	c.Must(t, "browser_get_text", `{"max_chars":1000}`, &part)
	if part.Total < 50_000 || part.Next != 1000 {
		t.Errorf("first part: %d of %d", part.Next, part.Total)
	}
	from := strconv.Itoa(part.Total - 10)
	part.Next = 0
	c.Must(t, "browser_get_text", `{"max_chars":1000,"from":`+from+`}`, &part)
	if part.Next != 0 {
		t.Errorf("the last part says to go on at %d", part.Next)
	}
}

// Files go in and out by references of the gateway.
func TestFiles(t *testing.T) {
	t.Parallel()
	url := site(t)
	files := &shelf{kept: map[string][]byte{"file_a": []byte("alpha"), "file_b": []byte("beta")}}
	srv, _ := open(t, config(), func(d *kit.Deps) { d.Files = files })
	c := kittest.NewClient(srv, "admin")
	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/files"}`, nil)
	c.Must(t, "browser_file_upload", `{"target":"#f","files":["file_a","file_b"]}`, nil)
	c.Must(t, "browser_wait_for", `{"target":"xpath///title[contains(., 'beta')]","time":10}`, nil)
	contains(t, see(t, c, "browser_snapshot", `{}`).Page, "file_a.txt=alpha,file_b.txt=beta")
	c.Refused(t, "browser_file_upload", `{"target":"#d","files":["file_a"]}`)
	c.Refused(t, "browser_file_upload", `{"target":"#f","files":["file_of_another"]}`)

	start := time.Now()
	c.Must(t, "browser_click", `{"target":"#d"}`, nil)
	if took := time.Since(start); took > 6*time.Second { // of the 8 for a page to come
		t.Errorf("the click waited %s for the page that a download is not", took)
	}
	var got struct {
		Downloads []struct {
			Name, State string
			Size        int64
			File        *kit.File
		}
	}
	c.Must(t, "browser_downloads", `{"wait_seconds":20}`, &got)
	if len(got.Downloads) != 1 || got.Downloads[0].State != "completed" || got.Downloads[0].File == nil {
		t.Fatalf("downloads: %+v", got)
	}
	if string(files.kept[got.Downloads[0].File.Ref]) != "the report" || got.Downloads[0].File.Name != "report.txt" {
		t.Errorf("kept: %+v", got.Downloads[0].File)
	}
	contains(t, c.Refused(t, "browser_navigate", `{"url":"`+url+`/download"}`), "browser_downloads")
	c.Must(t, "browser_pdf_save", `{}`, nil)
	pdf := false
	for _, content := range files.kept {
		pdf = pdf || strings.HasPrefix(string(content), "%PDF")
	}
	if !pdf {
		t.Error("no PDF was kept")
	}
}

// Twenty users at once see their own cookies and nobody else's, in every session.
func TestUsersAreApart(t *testing.T) {
	t.Parallel()
	url := site(t)
	srv, _ := open(t, config())
	const users = 20 // the first of them with a second session
	var all sync.WaitGroup
	for i := range users {
		all.Go(func() {
			c := kittest.NewClient(srv, fmt.Sprintf("user%d", i))
			sessions := []string{"", "other"}
			if i >= 3 {
				sessions = sessions[:1]
			}
			last := fmt.Sprintf("canary-%d-%s.", i, sessions[len(sessions)-1])
			for _, name := range sessions {
				mine := fmt.Sprintf("canary-%d-%s.", i, name)
				c.Must(t, "puppeteer_navigate", fmt.Sprintf(`{"url":"%s/cookie?set=%s","session_id":%q}`, url, mine, name), nil)
				c.Must(t, "puppeteer_evaluate", fmt.Sprintf(`{"script":"localStorage.setItem('who', '%s')","session_id":%q}`, mine, name), nil)
				c.Must(t, "puppeteer_evaluate", fmt.Sprintf(`{"script":"console.log('%s')","session_id":%q}`, mine, name), nil)
				if name == "" {
					c.Must(t, "puppeteer_screenshot", fmt.Sprintf(`{"name":"shot%d"}`, i), nil)
				}
			}
			for _, name := range sessions {
				mine := fmt.Sprintf("canary-%d-%s.", i, name)
				c.Must(t, "puppeteer_navigate", fmt.Sprintf(`{"url":"%s/cookie","session_id":%q}`, url, name), nil)
				text := c.Must(t, "puppeteer_evaluate", fmt.Sprintf(`{"script":"document.body.innerText + ' ' + localStorage.getItem('who')","session_id":%q}`, name), nil).Text
				text += c.Must(t, "browser_cookies_get", fmt.Sprintf(`{"session_id":%q}`, name), nil).Text
				if n := strings.Count(text, "canary-"); strings.Count(text, mine) != n || n != 3 {
					t.Errorf("user %d, session %q sees %s", i, name, text)
				}
			}
			if text, werr := c.Resource(t, "console://logs"); werr != nil || strings.Count(text, "canary-") != 1 || !strings.Contains(text, last) {
				t.Errorf("user %d's console: %s, %v", i, text, werr)
			}
			list := string(c.Ask(t, "resources/list", ""))
			if strings.Count(list, "screenshot://") != 1 || !strings.Contains(list, fmt.Sprintf(`"screenshot://shot%d"`, i)) {
				t.Errorf("user %d's resources: %s", i, list)
			}
		})
	}
	all.Wait()
}

// Sessions are bounded and end when nobody uses them.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	url := site(t)
	var mu sync.Mutex
	now := time.Now()
	srv, _ := open(t, config(), func(d *kit.Deps) {
		d.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	c := kittest.NewClient(srv, "admin")
	for i := range session.MaxOfUser {
		c.Must(t, "puppeteer_navigate", fmt.Sprintf(`{"url":"%s/cookie?set=x","session_id":"s%d"}`, url, i), nil)
	}
	contains(t, c.Refused(t, "puppeteer_navigate", fmt.Sprintf(`{"url":"%s/next","session_id":"one too many"}`, url)), "browser_close")
	c.Must(t, "browser_close", `{"session_id":"s0"}`, nil)
	c.Must(t, "puppeteer_navigate", fmt.Sprintf(`{"url":"%s/next","session_id":"another"}`, url), nil)
	contains(t, c.Must(t, "puppeteer_evaluate", `{"script":"location.pathname","session_id":"s1"}`, nil).Text, "/cookie")
	mu.Lock()
	now = now.Add(session.IdleTime)
	mu.Unlock()
	contains(t, c.Must(t, "puppeteer_evaluate", `{"script":"location.href","session_id":"s1"}`, nil).Text, "about:blank")
	c.Must(t, "puppeteer_navigate", fmt.Sprintf(`{"url":"%s/cookie","session_id":"s1"}`, url), nil)
	if text := c.Must(t, "puppeteer_evaluate", `{"script":"document.body.innerText","session_id":"s1"}`, nil).Text; strings.Contains(text, "who=") {
		t.Errorf("cookies outlived the session: %s", text)
	}
}

// A browser that ends is started again, and a page that crashes is replaced.
func TestCrash(t *testing.T) {
	t.Parallel()
	url := site(t)
	srv, log := open(t, config())
	c := kittest.NewClient(srv, "admin")
	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/next"}`, nil)
	_, rest, _ := strings.Cut(log.String(), `"pid":`)
	digits, _, _ := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	hung := make(chan string, 1)
	go func() { // ends with the browser
		hung <- c.Call(t, "puppeteer_evaluate", `{"script":"new Promise(() => {})"}`).Text
	}()
	for len(childrenOf(t, pid)) == 0 {
		t.Fatal("the browser has no helpers")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	contains(t, <-hung, "gone")
	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/next"}`, nil)
	if n := strings.Count(log.String(), "browser started"); n != 2 {
		t.Errorf("started %d times", n)
	}
}

// childrenOf are the processes whose group is that of pid.
func childrenOf(t *testing.T, pid int) (all []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatalf("this test needs procfs: %v", err)
	}
	for _, e := range entries {
		raw, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[2] == strconv.Itoa(pid) {
			all = append(all, e.Name())
		}
	}
	return all
}

// A call whose client goes away ends soon, and the tab can be used on.
func TestCancel(t *testing.T) {
	t.Parallel()
	c, url := client(t)
	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/next"}`, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, _ = c.Serve(ctx, t, "tools/call", `{"name":"puppeteer_fill","arguments":{"selector":"#never","value":"x"}}`)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	contains(t, c.Must(t, "puppeteer_evaluate", `{"script":"document.title"}`, nil).Text, "Next")
}

// What a page says is marked, whatever it says.
func TestOutsideIsMarked(t *testing.T) {
	t.Parallel()
	c, url := client(t)
	for tool, args := range map[string]string{"browser_navigate": `{"url":"` + url + `/form"}`, "browser_snapshot": `{}`, "browser_get_text": `{}`, "browser_console_messages": `{}`, "puppeteer_evaluate": `{"script":"1"}`} {
		if tool != "browser_navigate" {
			c.Must(t, "browser_navigate", `{"url":"`+url+`/form"}`, nil)
		}
		if r := c.Must(t, tool, args, nil); r.Meta["drawbridge/untrusted"] != "true" {
			t.Errorf("%s is not marked: %v", tool, r.Meta)
		}
	}
}

// Launch options are the operator's; scripts can be switched off.
func TestSettings(t *testing.T) {
	t.Parallel()
	c, url := client(t)
	contains(t, c.Refused(t, "puppeteer_navigate", `{"url":"`+url+`/next","launchOptions":{"args":["--no-sandbox"]},"allowDangerous":true}`), "operator")
	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/next","launchOptions":{"headless":true}}`, nil)
	cfg := config()
	cfg.NoScripts = true
	srv, _ := open(t, cfg)
	for _, tool := range kittest.Tools(t, kittest.NewClient(srv, "admin")) {
		if strings.Contains(tool.Name, "evaluate") {
			t.Errorf("%s is offered", tool.Name)
		}
	}
	cfg.Allow = []string{"169.254.169.254"}
	if _, err := puppeteer.New(cfg, kittest.Deps(&kittest.Log{}, nil)); err == nil {
		t.Error("a metadata service was opened")
	}
	cfg.Allow, cfg.Path = nil, "/no/such/browser"
	srv, _ = open(t, cfg)
	contains(t, kittest.NewClient(srv, "admin").Refused(t, "puppeteer_navigate", `{"url":"about:blank"}`), "BROWSER_PATH")
}
