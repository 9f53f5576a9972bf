package consent_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/consent"
	"drawbridge/internal/secret"
)

func TestAnswer_letsIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		now := time.Now()
		for name, c := range map[string]struct {
			form    []string
			rights  account.Rights
			expires time.Time
		}{
			"as it stands": {nil, account.Rights{Backends: []string{"*"}}, time.Time{}},
			"change":       {[]string{"write", "yes"}, account.Rights{Backends: []string{"*"}, Write: true}, time.Time{}},
			"dangerous, two backends": {[]string{"dangerous", "ssh", "dangerous", "erpnext"},
				account.Rights{Backends: []string{"*"}, Destructive: []string{"ssh", "erpnext"}}, time.Time{}},
			"a week": {[]string{"days", "7"}, account.Rights{Backends: []string{"*"}}, now.AddDate(0, 0, 7)},
			"a day":  {[]string{"days", "1"}, account.Rights{Backends: []string{"*"}}, now.AddDate(0, 0, 1)},
		} {
			d := newDoor(t)
			p := d.ask(t, claude(), "mcp:read mcp:write mcp:destructive admin")
			f := p.form(t)
			for i := 0; i < len(c.form); i += 2 {
				if c.form[i] == "days" {
					f.Del("days")
				}
				f.Add(c.form[i], c.form[i+1])
			}
			got := d.post(t, p, f)
			if len(d.codes()) != 1 {
				t.Fatalf("%s: %d codes, status %d\n%s", name, len(d.codes()), got.StatusCode, got.body)
			}
			code := d.codes()[0]
			want := oauth.Code{
				Hash: code.Hash, Client: claude().ID, ClientName: "Claude", RedirectURI: "https://claude.ai/api/mcp/auth_callback",
				Challenge: challenge, Resource: "/mcp", User: "admin", Rights: c.rights, Role: account.RoleMember,
				GrantExpires: c.expires, Expires: now.Add(time.Minute), PasswordHash: "hash of admin",
			}
			if diff := cmp.Diff(want, code); diff != "" {
				t.Errorf("%s: code (-want +got):\n%s", name, diff)
			}
			checkRedirect(t, got, "https://claude.ai/api/mcp/auth_callback", code.Hash)
			row := account.Record{Time: now, User: "admin", Client: claude().ID, Method: "oauth/authorize", Target: "/mcp", Decision: account.Allowed, Outcome: account.Succeeded}
			if diff := cmp.Diff([]account.Record{row}, d.audit.rows); diff != "" {
				t.Errorf("%s: audit (-want +got):\n%s", name, diff)
			}
		}
	})
}

// checkRedirect checks the answer to a client: a plain 303 to the very URI with a
// code, the state and one iss (A6, A13, R6).
func checkRedirect(t *testing.T, got *page, uri string, hash [32]byte) {
	t.Helper()
	if got.StatusCode != http.StatusSeeOther || got.Header.Get("Referrer-Policy") != "no-referrer" || got.Header.Get("Cache-Control") != "no-store" || got.body != "" {
		t.Errorf("status %d, headers %v", got.StatusCode, got.Header)
	}
	query, ok := strings.CutPrefix(got.Header.Get("Location"), uri+"?")
	q, err := url.ParseQuery(query)
	if !ok || err != nil {
		t.Fatalf("Location %q (%v)", got.Header.Get("Location"), err)
	}
	if secret.Hash(q.Get("code")) != hash || !secret.WellFormed(oauth.PrefixCode, q.Get("code")) {
		t.Errorf("code %q", q.Get("code"))
	}
	q.Del("code")
	if diff := cmp.Diff(url.Values{"state": {"a state"}, "iss": {base}}, q); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
}

// What a redirect URI has already stays as it is.
func TestAnswer_keepsTheRedirect(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"http://127.0.0.1:33418/":                                      "http://127.0.0.1:33418/?",
		"https://chat.example.com/oauth/clients/mcp:home/callback?a=b": "https://chat.example.com/oauth/clients/mcp:home/callback?a=b&",
		"cursor://anysphere.cursor-mcp/oauth/callback":                 "cursor://anysphere.cursor-mcp/oauth/callback?",
		"com.example.app:/cb":                                          "com.example.app:/cb?",
		"https://example.com/%7Ea/%E2%82%AC?q=%20+":                    "https://example.com/%7Ea/%E2%82%AC?q=%20+&",
	} {
		d := newDoor(t)
		p := d.askFor(t, stranger(), "/mcp", uri, "")
		got := d.post(t, p, p.form(t))
		if to := got.Header.Get("Location"); !strings.HasPrefix(to, want+"code=") {
			t.Errorf("%s leads to %q", uri, to)
		}
	}
}

func TestAnswer_cancel(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	p := d.ask(t, claude(), "")
	f := url.Values{"request": {p.request(t)}, "answer": {"cancel"}, "password": {""}}
	got := d.post(t, p, f)
	to, err := url.Parse(got.Header.Get("Location"))
	if err != nil || got.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d, Location %q", got.StatusCode, got.Header.Get("Location"))
	}
	want := url.Values{"error": {"access_denied"}, "error_description": {"The person said no."}, "state": {"a state"}, "iss": {base}}
	if diff := cmp.Diff(want, to.Query()); diff != "" || to.Host != "claude.ai" {
		t.Errorf("%s (-want +got):\n%s", to.Host, diff)
	}
	if d.passwords.tried != 0 {
		t.Error("it takes a password to say no")
	}
	if rows := d.audit.rows; len(rows) != 1 || rows[0].Decision != account.Denied || rows[0].Outcome != account.Succeeded {
		t.Errorf("audit %+v", rows)
	}
	// It grants nothing: the page may say it again, and whoever thinks better of it may
	// still let the client in.
	if again := d.post(t, p, f); again.StatusCode != http.StatusSeeOther || len(d.codes()) != 0 {
		t.Errorf("said again: status %d, %d codes", again.StatusCode, len(d.codes()))
	}
	if own := d.post(t, p, p.form(t)); own.StatusCode != http.StatusSeeOther || len(d.codes()) != 1 {
		t.Errorf("let in after all: status %d, %d codes", own.StatusCode, len(d.codes()))
	}
}

// What a stranger can post without a password leaves no marks and nothing in the
// log, nor, but for cancelling, in the audit log. The owner's own replay is recorded.
func TestAnswer_strangersLeaveNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	p := d.ask(t, claude(), "")
	if got := d.post(t, p, p.form(t)); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", got.StatusCode)
	}
	marks := len(d.store.used)
	d.log.Reset()
	d.audit.rows = nil
	for _, f := range []url.Values{
		{"request": {p.request(t)}, "answer": {"allow"}, "days": {"0"}, "password": {"guessed"}},
		{"request": {p.request(t)}, "answer": {"allow"}, "days": {"0"}},
		{"request": {p.request(t)}, "answer": {"nonsense"}},
		{"request": {"nonsense"}, "answer": {"cancel"}},
		{},
	} {
		if got := d.post(t, p, f); got.Header.Get("Location") != "" {
			t.Errorf("%v leads to %q", f, got.Header.Get("Location"))
		}
	}
	if len(d.audit.rows) != 0 {
		t.Errorf("audit %+v", d.audit.rows)
	}
	d.post(t, p, url.Values{"request": {p.request(t)}, "answer": {"cancel"}})
	if len(d.store.used) != marks || d.log.Len() != 0 {
		t.Errorf("%d new marks, log:\n%s", len(d.store.used)-marks, d.log.String())
	}
	d.audit.rows = nil
	replay := d.post(t, p, p.form(t))
	if rows := d.audit.rows; replay.StatusCode != http.StatusForbidden || len(d.codes()) != 1 || len(rows) != 1 || rows[0].User != "admin" || rows[0].Decision != account.Denied {
		t.Errorf("replay: status %d, %d codes, audit %+v", replay.StatusCode, len(d.codes()), rows)
	}
}

// Which profiles there are is told to nobody without a password: one that does not
// exist looks like an empty one.
func TestAnswer_A12_noSuchProfile(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	uri := stranger().Metadata.RedirectURIs[0]
	ask := func(profile string) (p *page, shown string) {
		p = d.askFor(t, stranger(), "/mcp/"+profile, uri, "")
		return p, p.plain(t, profile)
	}
	gone, looks := ask("gone")
	empty, want := ask("empty")
	if gone.StatusCode != http.StatusOK || looks != want {
		t.Errorf("status %d, a profile that is not there (-empty +gone):\n%s", gone.StatusCode, cmp.Diff(want, looks))
	}
	for name, alter := range map[string]func(f url.Values){
		"wrong password": func(f url.Values) { f.Set("password", "x") },
		"a tick":         func(f url.Values) { f.Set("dangerous", "ssh") },
		"no period":      func(f url.Values) { f.Del("days") },
	} {
		var posted [2]*page
		for i, p := range []*page{gone, empty} {
			f := p.form(t)
			alter(f)
			posted[i] = d.post(t, p, f)
			d.refused(t, posted[i], posted[i].StatusCode)
		}
		got, want := posted[0].plain(t, "gone"), posted[1].plain(t, "empty")
		if posted[0].StatusCode != posted[1].StatusCode || got != want {
			t.Errorf("%s: status %d and %d (-empty +gone):\n%s", name, posted[0].StatusCode, posted[1].StatusCode, cmp.Diff(want, got))
		}
	}
	answer := func(f url.Values) url.Values {
		t.Helper()
		got := d.post(t, gone, f)
		query, ok := strings.CutPrefix(got.Header.Get("Location"), uri+"?")
		q, err := url.ParseQuery(query)
		if got.StatusCode != http.StatusSeeOther || !ok || err != nil || len(d.codes()) != 0 {
			t.Errorf("status %d, Location %q, %d codes (%v)", got.StatusCode, got.Header.Get("Location"), len(d.codes()), err)
		}
		return q
	}
	if q := answer(url.Values{"request": {gone.request(t)}, "answer": {"cancel"}}); q.Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", q)
	}
	d.audit.rows = nil
	q := answer(gone.form(t))
	told := url.Values{"error": {"invalid_target"}, "error_description": q["error_description"], "state": {"a state"}, "iss": {base}}
	if diff := cmp.Diff(told, q); diff != "" || q.Get("error_description") == "" {
		t.Errorf("with the password (-want +got):\n%s", diff)
	}
	if rows := d.audit.rows; len(rows) != 1 || rows[0].User != "admin" || rows[0].Decision != account.Denied || rows[0].Target != "/mcp/gone" {
		t.Errorf("audit %+v", rows)
	}
	if got := d.post(t, empty, empty.form(t)); got.StatusCode != http.StatusSeeOther || len(d.codes()) != 1 {
		t.Errorf("an empty profile: status %d, %d codes", got.StatusCode, len(d.codes()))
	}
}

// A password that was right when it was checked, and has been replaced since.
func TestAnswer_overtakenByNewPassword(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.store.refuse = fault.New(fault.Conflict, "The password was changed while it was checked. Start again, with the new one.")
	p := d.ask(t, claude(), "")
	got := d.post(t, p, p.form(t))
	d.refused(t, got, http.StatusConflict)
	if !strings.Contains(got.body, "Start again, with the new one") || d.log.Len() != 0 { // nothing is broken
		t.Errorf("the page says\n%s\nlog:\n%s", got.body, d.log.String())
	}
}

// A7: nobody but the person in front of this browser can answer, and once.
func TestAnswer_A7_csrf(t *testing.T) {
	t.Parallel()
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del(name)
			for _, v := range values {
				r.Header.Add(name, v)
			}
		}
	}
	for name, alter := range map[string][]func(*http.Request){
		"cross-site":            {set("Sec-Fetch-Site", "cross-site"), set("Origin", "https://evil.example")},
		"cross-site, our name":  {set("Sec-Fetch-Site", "cross-site")},
		"same-site":             {set("Sec-Fetch-Site", "same-site")},
		"typed":                 {set("Sec-Fetch-Site", "none")},
		"two of them":           {set("Sec-Fetch-Site", "same-origin", "cross-site")},
		"foreign origin":        {set("Sec-Fetch-Site"), set("Origin", "https://evil.example")},
		"origin like ours":      {set("Sec-Fetch-Site"), set("Origin", base+".evil.example")},
		"origin, other scheme":  {set("Sec-Fetch-Site"), set("Origin", "http://home.example.ts.net")},
		"origin, other port":    {set("Sec-Fetch-Site"), set("Origin", base+":8443")},
		"hidden origin":         {set("Sec-Fetch-Site"), set("Origin", "null")},
		"two origins":           {set("Sec-Fetch-Site"), set("Origin", base, base)},
		"neither":               {set("Sec-Fetch-Site"), set("Origin")},
		"no cookie":             {set("Cookie")},
		"another cookie":        {set("Cookie", "__Host-drawbridge-consent=known-to-an-attacker")},
		"without its prefix":    {func(r *http.Request) { r.Header.Set("Cookie", strings.TrimPrefix(r.Header.Get("Cookie"), "__Host-")) }},
		"two cookies":           {func(r *http.Request) { r.Header.Add("Cookie", r.Header.Get("Cookie")) }},
		"another method's form": {set("Content-Type", "text/plain")},
		"as JSON":               {set("Content-Type", "application/json")},
		"as multipart":          {set("Content-Type", "multipart/form-data; boundary=x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			p := d.ask(t, claude(), "")
			got := d.post(t, p, p.form(t), alter...)
			want := http.StatusForbidden
			if strings.HasPrefix(name, "as ") || strings.HasPrefix(name, "another method") {
				want = http.StatusBadRequest
			}
			d.refused(t, got, want)
			if d.passwords.tried != 0 {
				t.Error("the password was tried")
			}
			// It was no answer: the person's own still counts.
			if own := d.post(t, p, p.form(t)); own.StatusCode != http.StatusSeeOther {
				t.Errorf("own answer after it: status %d", own.StatusCode)
			}
		})
	}
	// Either proof is enough: browsers send Sec-Fetch-Site only where they trust the
	// connection.
	for name, alter := range map[string]func(*http.Request){
		"origin alone": set("Sec-Fetch-Site"), "site alone": set("Origin"),
	} {
		d := newDoor(t)
		p := d.ask(t, claude(), "")
		if got := d.post(t, p, p.form(t), alter); got.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: status %d", name, got.StatusCode)
		}
	}
}

// A7, A9: a page is good in its own browser, as it was made, for ten minutes, once.
func TestAnswer_A7_A9_boundPage(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	mine, attackers := d.ask(t, claude(), ""), d.ask(t, stranger(), "")
	// The attacker's page in the victim's browser, and the other way round.
	f := mine.form(t)
	f.Set("request", attackers.request(t))
	d.refused(t, d.post(t, mine, f), http.StatusForbidden)
	d.refused(t, d.post(t, attackers, mine.form(t)), http.StatusForbidden)

	sealed := mine.request(t)
	for name, altered := range map[string]string{
		"none": "", "cut": sealed[:len(sealed)-8], "altered": "AAAA" + sealed[4:], "padded": sealed + "=", "with a break": sealed[:9] + "\n" + sealed[9:],
	} {
		f := mine.form(t)
		f.Set("request", altered)
		if got := d.post(t, mine, f); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", name, got.StatusCode)
		}
	}
	// A box with another key is another installation.
	d.refused(t, newDoorWithKey(t, "another").post(t, mine, mine.form(t)), http.StatusForbidden)

	if got := d.post(t, mine, mine.form(t)); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", got.StatusCode)
	}
	if replay := d.post(t, mine, mine.form(t)); replay.StatusCode != http.StatusForbidden || len(d.codes()) != 1 {
		t.Errorf("replayed: status %d, %d codes", replay.StatusCode, len(d.codes()))
	}
}

func newDoorWithKey(t *testing.T, key string) *door {
	t.Helper()
	d := newDoor(t)
	box, err := secret.NewBox(secret.Derive([]byte(key), "consent"))
	if err != nil {
		t.Fatal(err)
	}
	d.Box = box
	return d
}

func TestAnswer_A7_expiredPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		p, late := d.ask(t, claude(), ""), d.ask(t, claude(), "")
		time.Sleep(oauth.ConsentLife - time.Second) // of the fake clock
		if got := d.post(t, p, p.form(t)); got.StatusCode != http.StatusSeeOther {
			t.Errorf("just before its end: status %d", got.StatusCode)
		}
		time.Sleep(time.Second)
		if got := d.post(t, late, late.form(t)); got.StatusCode != http.StatusForbidden || !strings.Contains(got.body, "older than 10 minutes") {
			t.Errorf("at its end: status %d\n%s", got.StatusCode, got.body)
		}
	})
}

// A7: of many answers with the same page, sent at once, one counts.
func TestAnswer_A7_manyAtOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	p := d.ask(t, claude(), "")
	f := p.form(t)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() { d.post(t, p, f) })
	}
	wg.Wait()
	if n := len(d.codes()); n != 1 {
		t.Errorf("%d codes", n)
	}
}

// A9: a client that was let in is asked about again, and a code never comes of
// anything but an answer.
func TestAsk_A9_asksEveryTime(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	p := d.ask(t, claude(), "")
	d.post(t, p, p.form(t))
	for range 2 {
		again := d.ask(t, claude(), "", p.cookies...)
		if again.StatusCode != http.StatusOK || !strings.Contains(again.body, `type="password"`) || len(d.codes()) != 1 {
			t.Errorf("asked again: status %d, %d codes", again.StatusCode, len(d.codes()))
		}
	}
}

// What goes wrong with the answer itself is said on the same page, which stays as
// good as it was.
func TestAnswer_again(t *testing.T) {
	t.Parallel()
	limited := fault.New(fault.Limited, "There were too many wrong tries. Try again in 32 seconds.")
	down := fault.Wrap(errors.New("canary: connection refused"), fault.Unavailable, "Drawbridge cannot check credentials now. Try again in a few seconds.")
	for name, c := range map[string]struct {
		alter  func(d *door, f url.Values)
		status int
		says   string
	}{
		"wrong password": {func(_ *door, f url.Values) { f.Set("password", "x") }, http.StatusForbidden, "password is wrong"},
		"no password":    {func(_ *door, f url.Values) { f.Del("password") }, http.StatusForbidden, "password is wrong"},
		"throttled":      {func(d *door, _ url.Values) { d.passwords.refuse = limited }, http.StatusTooManyRequests, "in 32 seconds"},
		"store down":     {func(d *door, _ url.Values) { d.passwords.refuse = down }, http.StatusServiceUnavailable, "cannot check credentials now"},
		"no such period": {func(_ *door, f url.Values) { f.Set("days", "3650") }, http.StatusBadRequest, "for how long"},
		"no period":      {func(_ *door, f url.Values) { f.Del("days") }, http.StatusBadRequest, "for how long"},
		"a backend without such tools": {func(_ *door, f url.Values) { f.Add("dangerous", "homeassistant") },
			http.StatusBadRequest, "has none any more"},
		"a backend that is not there": {func(_ *door, f url.Values) { f.Add("dangerous", "*") }, http.StatusBadRequest, "has none any more"},
		"admin, not offered":          {func(_ *door, f url.Values) { f.Set("admin", "yes") }, http.StatusForbidden, "may not be let into the admin pages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			p := d.ask(t, claude(), "")
			f := p.form(t, "write", "yes")
			f.Set("days", "30")
			f.Add("dangerous", "ssh")
			c.alter(d, f)
			got := d.post(t, p, f)
			d.refused(t, got, c.status)
			if !strings.Contains(got.body, c.says) || strings.Contains(got.body, "canary") || strings.Contains(got.body, password) {
				t.Errorf("the page does not say %q, or says too much:\n%s", c.says, got.body)
			}
			// The ticks are as they were left.
			for _, want := range []string{`name="write" value="yes" checked`, `value="ssh" checked`} {
				if !strings.Contains(got.body, want) {
					t.Errorf("the page forgot %q", want)
				}
			}
			d.passwords.refuse = nil
			if own := d.post(t, p, got.form(t)); own.StatusCode != http.StatusSeeOther {
				t.Errorf("right answer on that page: status %d\n%s", own.StatusCode, own.body)
			}
		})
	}
}

// The role admin needs a tick, a client that may have it when the answer comes,
// and an admin who gives it.
func TestAnswer_admin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		user   string
		tick   bool
		change func(d *door)
		status int
		role   account.Role
	}{
		"ticked":                  {"admin", true, nil, http.StatusSeeOther, account.RoleAdmin},
		"not ticked":              {"admin", false, nil, http.StatusSeeOther, account.RoleMember},
		"by a member":             {"anna", true, nil, http.StatusForbidden, ""},
		"by a member, not ticked": {"anna", false, nil, http.StatusSeeOther, account.RoleMember},
		"taken back meanwhile": {"admin", true, func(d *door) {
			client := d.store.clients["dcr_stranger"]
			client.MayAdmin = false
			d.store.clients["dcr_stranger"] = client
		}, http.StatusForbidden, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			d.passwords.alone = false
			client := stranger()
			client.MayAdmin = true
			d.store.clients[client.ID] = client
			p := d.ask(t, client, "admin")
			f := p.form(t, "user", c.user)
			if c.tick {
				f.Set("admin", "yes")
			}
			if c.change != nil {
				c.change(d)
			}
			got := d.post(t, p, f)
			if got.StatusCode != c.status {
				t.Fatalf("status %d\n%s", got.StatusCode, got.body)
			}
			if c.status != http.StatusSeeOther {
				d.refused(t, got, c.status)
				return
			}
			if codes := d.codes(); len(codes) != 1 || codes[0].Role != c.role || codes[0].User != c.user {
				t.Errorf("codes %+v", codes)
			}
		})
	}
}

// While admin is the only user, no other name gets a say.
func TestAnswer_onlyAdmin(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	p := d.ask(t, claude(), "")
	if got := d.post(t, p, p.form(t, "user", "anna")); got.StatusCode != http.StatusSeeOther || d.codes()[0].User != "admin" {
		t.Errorf("status %d, codes %+v", got.StatusCode, d.codes())
	}
}

// A19: a field that comes twice is not guessed at.
func TestAnswer_A19_twice(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"request", "answer", "password", "days", "write", "admin", "user"} {
		d := newDoor(t)
		p := d.ask(t, claude(), "")
		f := p.form(t, "write", "yes", "admin", "yes", "user", "admin")
		f.Add(field, f.Get(field))
		d.refused(t, d.post(t, p, f), http.StatusBadRequest)
	}
}

func TestAnswer_badForms(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	p := d.ask(t, claude(), "")
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"empty":           {"", http.StatusForbidden},
		"not encoded":     {"request=%zz", http.StatusBadRequest},
		"huge":            {"request=" + strings.Repeat("x", 65<<10), http.StatusBadRequest},
		"no answer":       {"request=" + p.request(t), http.StatusBadRequest},
		"another answer":  {"request=" + p.request(t) + "&answer=yes&password=x&days=0", http.StatusBadRequest},
		"answer in query": {"request=" + p.request(t) + "&password=x&days=0", http.StatusBadRequest},
	} {
		r := browser(t, http.MethodPost, c.body, p.cookies)
		r.URL.RawQuery = "answer=allow"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		d.Answer(w, r)
		if w.Code != c.status || w.Header().Get("Location") != "" {
			t.Errorf("%s: status %d, want %d", name, w.Code, c.status)
		}
	}
	if len(d.codes()) != 0 || d.passwords.tried != 0 {
		t.Errorf("%d codes, %d passwords tried", len(d.codes()), d.passwords.tried)
	}
}

func TestAnswer_whenThingsChangedMeanwhile(t *testing.T) {
	t.Parallel()
	down := fault.Wrap(errors.New("canary: disk full"), fault.Unavailable, "The database cannot be written now. Try again later.")
	for name, c := range map[string]struct {
		change func(d *door)
		status int
	}{
		"client deleted":     {func(d *door) { delete(d.store.clients, claude().ID) }, http.StatusForbidden},
		"store is down":      {func(d *door) { d.store.down = down }, http.StatusServiceUnavailable},
		"nothing to offer":   {func(d *door) { d.offers.by = map[string][]consent.Server{} }, http.StatusServiceUnavailable},
		"redirects changed":  {func(d *door) { changeRedirects(d) }, http.StatusSeeOther},
		"backend is without": {func(d *door) { d.offers.by[""] = nil }, http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			p := d.ask(t, claude(), "")
			c.change(d)
			got := d.post(t, p, p.form(t))
			if got.StatusCode != c.status || strings.Contains(got.body, "canary") {
				t.Errorf("status %d, want %d\n%s", got.StatusCode, c.status, got.body)
			}
			if c.status != http.StatusSeeOther {
				d.refused(t, got, c.status)
				return
			}
			// What was shown is where it goes.
			if to := got.Header.Get("Location"); !strings.HasPrefix(to, "https://claude.ai/api/mcp/auth_callback?code=") {
				t.Errorf("leads to %q", to)
			}
		})
	}
}

func changeRedirects(d *door) {
	client := claude()
	client.Metadata.RedirectURIs = []string{"https://evil.example/cb"}
	d.store.clients[client.ID] = client
}
