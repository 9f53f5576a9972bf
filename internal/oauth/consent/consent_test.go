package consent_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/consent"
)

// What the page says of each kind of client: the host only where it was checked,
// the name as a claim, where the browser goes next.
func TestAsk_saysWhatWasChecked(t *testing.T) {
	t.Parallel()
	cursor := oauth.Client{ID: "dcr_cursor", Kind: oauth.Registered, Metadata: oauth.Metadata{
		Name: "Cursor", RedirectURIs: []string{"cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"},
	}}
	const local = "Any program on this computer could be behind this"
	for name, c := range map[string]struct {
		client   oauth.Client
		redirect string
		says     []string
		not      []string
	}{
		"document": {claude(), "", []string{
			`<h1><span class="host">claude.ai</span> asks to come in</h1>`, "Its identity was checked", "“<b class=\"claim\">Claude</b>”", "<code>claude.ai</code>",
		}, []string{"not checked", local}},
		"document, on this computer only": {claudeCode(), "http://localhost:3118/callback", []string{
			`<span class="host">claude.ai</span>`, "a program on this computer, at <code>localhost:3118</code>", local,
		}, nil},
		"registered": {stranger(), "", []string{
			"Its identity was not checked", "It calls itself “<b class=\"claim\">Open WebUI</b>”", "<code>chat.example.com</code>",
		}, []string{"was checked", `class="host"`, local}},
		"entered": {entered(), "", []string{"An admin has entered it here", "<code>n8n.example.com</code>"}, []string{"not checked", "was checked", local}},
		"own scheme": {cursor, "cursor://anysphere.cursor-mcp/oauth/callback", []string{
			"the program on this device that opens <code>cursor://anysphere.cursor-mcp</code>", "Its identity was not checked",
		}, []string{local}},
		"this computer, one of several": {cursor, "http://localhost:8787/callback", []string{local}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redirect := c.redirect
			if redirect == "" {
				redirect = c.client.Metadata.RedirectURIs[0]
			}
			p := newDoor(t).askFor(t, c.client, oauth.DefaultResource, redirect, "")
			if p.StatusCode != http.StatusOK {
				t.Fatalf("status %d", p.StatusCode)
			}
			for _, want := range c.says {
				if !strings.Contains(p.body, want) {
					t.Errorf("the page does not say %q:\n%s", want, p.body)
				}
			}
			for _, no := range c.not {
				if strings.Contains(p.body, no) {
					t.Errorf("the page says %q", no)
				}
			}
		})
	}
}

var ticked = regexp.MustCompile(`<input [^>]*checked[^>]*>`)

// The one gate: read is fixed, everything else is a tick that is not set, and
// nothing outside of the profile is offered.
func TestAsk_theOneGate(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for name, c := range map[string]struct {
		resource string
		says     []string
		not      []string
	}{
		"everything": {oauth.DefaultResource, []string{
			`<input type="checkbox" checked disabled><span><b>Read</b> from your 3 backends<small>ERPNext, Home Assistant, ssh</small>`,
			`name="write" value="yes"><span><b>Change things</b><small>ERPNext, Home Assistant, ssh</small>`,
			`name="dangerous" value="erpnext"><span><b>Dangerous</b> in ERPNext <span class="small">2 tools<`,
			`name="dangerous" value="ssh"><span><b>Dangerous</b> in ssh <span class="small">1 tool<`,
			`<option value="0">until I revoke it</option><option value="90">90 days</option><option value="30">30 days</option><option value="7">7 days</option><option value="1">1 day</option>`,
		}, []string{`value="homeassistant"`, `name="admin"`, `name="user"`, "within the profile"}},
		"profile": {"/mcp/kids", []string{
			"within the profile “kids”", "<b>Read</b> from your backend<small>Home Assistant</small>", "No backend can be changed now.",
		}, []string{`name="dangerous"`, "ERPNext"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := d.askFor(t, stranger(), c.resource, stranger().Metadata.RedirectURIs[0], "mcp:read mcp:write mcp:destructive")
			for _, want := range c.says {
				if !strings.Contains(p.body, want) {
					t.Errorf("the page does not say %q:\n%s", want, p.body)
				}
			}
			for _, no := range c.not {
				if strings.Contains(p.body, no) {
					t.Errorf("the page says %q", no)
				}
			}
			if set := ticked.FindAllString(p.body, -1); len(set) != 1 {
				t.Errorf("ticks that are set: %q, want only that of read", set)
			}
		})
	}
}

func TestAsk_asksForAUserName(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.passwords.alone = false
	if p := d.ask(t, claude(), ""); !strings.Contains(p.body, `<input name="user"`) {
		t.Errorf("several users, and no field for a name:\n%s", p.body)
	}
}

// The admin pages are offered only to a client that asked, and that an admin has
// entered or allowed (design 4.3).
func TestAsk_offersAdmin(t *testing.T) {
	t.Parallel()
	allowed := stranger()
	allowed.MayAdmin = true
	for name, c := range map[string]struct {
		client  oauth.Client
		scope   string
		offered bool
		says    bool // that it asked in vain
	}{
		"registered":           {stranger(), "mcp:read admin", false, true},
		"document":             {claude(), "admin", false, true},
		"entered":              {entered(), "admin", true, false},
		"allowed":              {allowed, "mcp:read admin", true, false},
		"entered, not asked":   {entered(), "mcp:read", false, false},
		"allowed, not asked":   {allowed, "", false, false},
		"a scope like it":      {entered(), "administrator", false, false},
		"registered, no scope": {stranger(), "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newDoor(t).ask(t, c.client, c.scope)
			if got := strings.Contains(p.body, `name="admin"`); got != c.offered {
				t.Errorf("offered: %v", got)
			}
			if got := strings.Contains(p.body, "It also asks for the admin pages"); got != c.says {
				t.Errorf("said that it asked in vain: %v", got)
			}
		})
	}
}

// A8: the page cannot be framed, and its button does nothing for half a second.
func TestAsk_A8_clickjacking(t *testing.T) {
	t.Parallel()
	p := newDoor(t).ask(t, claude(), "")
	policy := p.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	if got := p.Header.Get("X-Frame-Options"); got != "DENY" {
		t.Errorf("X-Frame-Options %q", got)
	}
	if strings.Contains(p.body, "<script") || strings.Contains(p.body, " style=") || strings.Contains(p.body, "onclick") {
		t.Error("the page has something that its policy forbids")
	}
	if !strings.Contains(p.body, `<button class="primary arm" name="answer" value="allow">`) {
		t.Errorf("the button is armed at once:\n%s", p.body)
	}
	css, err := os.ReadFile("../../web/static/drawbridge.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".arm { animation: arm .5s", "@keyframes arm { from { pointer-events: none;"} {
		if !strings.Contains(string(css), want) {
			t.Errorf("the style has no %q", want)
		}
	}
	// Enter presses the first button of a form.
	if strings.Index(p.body, `value="allow"`) > strings.Index(p.body, `value="cancel"`) {
		t.Error("Enter would cancel")
	}
}

// R6: no form-action, which browsers apply to the redirect after the form too; no
// CORS; and nothing that keeps a client's own window from hearing of the end.
func TestAsk_R6_headers(t *testing.T) {
	t.Parallel()
	p := newDoor(t).ask(t, claude(), "")
	if policy := p.Header.Get("Content-Security-Policy"); strings.Contains(policy, "form-action") {
		t.Errorf("policy %q", policy)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "", "Cross-Origin-Opener-Policy": "", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		// Nothing to others; no-referrer would make browsers hide the origin of the form
		// from us, too.
		"Referrer-Policy": "same-origin",
	} {
		if got := p.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// R7: a page that is fetched twice, ahead or again, can be answered in either copy.
func TestAsk_R7_secondLoad(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	first := d.ask(t, claude(), "")
	second := d.ask(t, claude(), "", first.cookies...)
	if len(second.Response.Cookies()) != 0 {
		t.Errorf("the second page sets %v", second.Response.Cookies())
	}
	other := d.ask(t, stranger(), "", first.cookies...)
	for name, p := range map[string]*page{"first": first, "second": second, "another client's": other} {
		p.cookies = first.cookies
		if got := d.post(t, p, p.form(t)); got.StatusCode != http.StatusSeeOther {
			t.Errorf("%s page: status %d\n%s", name, got.StatusCode, got.body)
		}
	}
}

func TestAsk_cookie(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	cookies := d.ask(t, claude(), "").Response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	c := cookies[0]
	if c.Name != "__Host-drawbridge-consent" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %v", c)
	}
	// One that is not ours is replaced, not bound to.
	forged := &http.Cookie{Name: c.Name, Value: "known-to-an-attacker"}
	if p := d.ask(t, claude(), "", forged); len(p.Response.Cookies()) != 1 {
		t.Error("a cookie that we never made was kept")
	}
}

// A10: whatever a client calls itself is one short line that cannot be mistaken
// for our words.
func TestAsk_A10_consentSpoofing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ claim, shown string }{
		"markup":            {`<b>Claude</b><script>x</script>`, `&lt;b&gt;Claude&lt;/b&gt;&lt;script&gt;x&lt;/script&gt;`},
		"end of the quote":  {"Claude”. Its identity was checked. “", "Claude&#39;. Its identity was checked. &#39;"},
		"text direction":    {"Clau\u202ede\u2066\u200f", "Claude"},
		"zero width":        {"C\u200bl\u200ca\u200du\u2060d\ufeffe\u00ad", "Claude"},
		"tags":              {"Claude\U000E0041\U000E0042", "Claude"},
		"control and lines": {"Cl\x00a\x1bu\nde\r\n\tx", "Clau de x"},
		"fillers":           {"\u3164Claude\u2800\u115f", "Claude"},
		"stacked marks":     {"Cla" + strings.Repeat("\u0336", 50) + "ude", "Cla\u0336\u0336ude"},
		"only marks":        {strings.Repeat("\u0336", 50), "dcr_stranger"},
		"long":              {strings.Repeat("ä", 100_000), strings.Repeat("ä", 59) + "…"},
		"sixty":             {strings.Repeat("ä", 60), strings.Repeat("ä", 60)},
		"verified":          {"Claude (verified)", "Claude (verified)"},
		"not UTF-8":         {"Cl\xffaude", "Claude"},
		"none":              {" \u200b ", "dcr_stranger"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := stranger()
			client.Metadata.Name = c.claim
			p := newDoor(t).ask(t, client, "")
			if want := `calls itself “<b class="claim">` + c.shown + `</b>”`; !strings.Contains(p.body, want) {
				t.Errorf("want %q in\n%s", want, p.body)
			}
			if !strings.Contains(p.body, "Its identity was not checked") || !strings.Contains(p.body, "<code>chat.example.com</code>") {
				t.Error("the page does not say what is known")
			}
		})
	}
	// Titles of backends come from outside, too.
	d := newDoor(t)
	d.offers.by[""] = []consent.Server{{Name: "evil", Title: "<i>Safe</i>\u202e tools", Dangerous: 1}}
	if p := d.ask(t, claude(), ""); !strings.Contains(p.body, "<b>Dangerous</b> in &lt;i&gt;Safe&lt;/i&gt; tools <span") {
		t.Errorf("title of a backend:\n%s", p.body)
	}
}

// Without the list of what there is to allow nobody is asked.
func TestAsk_whenNothingCanBeOffered(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	delete(d.offers.by, "")
	p := d.ask(t, claude(), "")
	if p.StatusCode != http.StatusServiceUnavailable || strings.Contains(p.body, "<form") {
		t.Errorf("%d %s", p.StatusCode, p.body)
	}
	// Words that make Open WebUI throw the registration away (ecosystem, section 2).
	for _, word := range []string{"invalid_client", "client id", "redirect_uri"} {
		if strings.Contains(strings.ToLower(p.body), word) {
			t.Errorf("the page has %q", word)
		}
	}
}
