package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/fault"
	"drawbridge/internal/gateway/park"
	"drawbridge/internal/route"
	"drawbridge/internal/status"
)

// hostile is what a backend says to break out of a page.
const hostile = `"><script>alert(1)</script><a href='javascript:x'>` + "\u202e\x1b[2J"

type gateway struct{ statuses []backend.Status }

func (g gateway) Statuses() []backend.Status { return append([]backend.Status(nil), g.statuses...) }
func (g gateway) Refused() []string {
	return []string{"files: two tools are called files_x; set a prefix"}
}

func source() gateway {
	return gateway{[]backend.Status{
		{Name: "memory", State: backend.Ready, Transport: "built-in", Tools: 7, LatencyMS: 3.25, Era: "modern", Revision: "2026-07-28"},
		{Name: "files", State: backend.Degraded, Transport: "stdio", Tools: 4, LatencyMS: 3100, Era: "legacy", Revision: "2025-11-25",
			Restarts: 2, LastError: hostile, Stderr: []string{"line of a child " + hostile}},
		{Name: "off", State: backend.Disabled},
	}}
}

// serve answers a request as somebody.
func serve(t *testing.T, routes []route.Route, path string, p account.Principal) *httptest.ResponseRecorder {
	t.Helper()
	for _, r := range routes {
		if r.Pattern == path {
			w := httptest.NewRecorder()
			req := httptest.NewRequest(http.MethodGet, path, nil)
			r.Handler.ServeHTTP(w, req.WithContext(account.WithPrincipal(req.Context(), p)))
			return w
		}
	}
	t.Fatalf("no route %s", path)
	return nil
}

var admin = account.Principal{User: "boss", Role: account.RoleAdmin, Access: account.Everything()}

// Who may not see a backend does not learn of it from /status either, and what
// tells of other people's calls is for admins.
func TestStatus_showsWhatOneMaySee(t *testing.T) {
	t.Parallel()
	h := &status.Handler{Source: source(), Lot: &lot{}, Version: "v1"}
	kids := account.Profile{Name: "kids", Title: "Kids", Backends: []string{"memory"}, Allow: []string{"*"}, Tier: account.TierRead}
	for name, c := range map[string]struct {
		p       account.Principal
		names   []string
		stderr  bool
		refused bool
	}{
		"admin":           {admin, []string{"memory", "files", "off"}, true, true},
		"member":          {account.Principal{Role: account.RoleMember, Access: account.Everything()}, []string{"memory", "files", "off"}, false, false},
		"bound by rights": {account.Principal{Role: account.RoleMember, Access: account.NewAccess(account.Rights{Backends: []string{"files"}})}, []string{"files"}, false, false},
		"bound by a profile": {account.Principal{Role: account.RoleMember, Access: account.NewAccess(account.FullRights(), kids)},
			[]string{"memory"}, false, false},
		"admin's narrow key": {account.Principal{Role: account.RoleAdmin, Access: account.NewAccess(account.Rights{Backends: []string{"files"}})},
			[]string{"files"}, true, true},
		"no access": {account.Principal{Role: account.RoleMember}, []string{}, false, false},
	} {
		w := serve(t, h.Routes(), "/status", c.p)
		var got struct {
			Backends []backend.Status
			Refused  []string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d, %v", name, w.Code, err)
		}
		names, stderr := []string{}, false
		for _, b := range got.Backends {
			names = append(names, b.Name)
			stderr = stderr || len(b.Stderr) > 0
		}
		if diff := cmp.Diff(c.names, names); diff != "" || stderr != c.stderr || (len(got.Refused) > 0) != c.refused {
			t.Errorf("%s: %s, stderr %v, refused %v", name, diff, stderr, got.Refused)
		}
	}
}

type guests struct{ err error }

var (
	day = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	old = day.Add(-time.Hour)
)

func (g guests) Grants(context.Context, string) ([]account.Grant, error) {
	return []account.Grant{
		{ID: "grant_1", User: "anna", ClientName: "Claude " + hostile, Client: "https://claude.ai/x", LastUsed: day},
		{ID: "grant_2", User: "anna", ClientName: "never used"},
		{ID: "grant_3", User: "anna", ClientName: "revoked", LastUsed: day, Revoked: day},
	}, g.err
}

func (g guests) Keys(context.Context) ([]account.Key, error) {
	return []account.Key{{ID: "key_1", User: "boss", Name: "office", LastUsed: old}, {ID: "key_2", Name: "expired", LastUsed: day, Expires: day}}, nil
}

func dashboard(g guests) *status.Dashboard {
	return &status.Dashboard{Log: slog.New(slog.DiscardHandler), Source: source(), Guests: g, Version: "v1", Started: day,
		Base: func() string { return "https://home.example" }}
}

func TestDashboard_json(t *testing.T) {
	t.Parallel()
	w := serve(t, dashboard(guests{}).Routes(), "/dashboard/status", admin)
	var got struct {
		Backends  []backend.Status
		Refused   []string
		Connected []struct{ Kind, ID, User string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
	}
	want := []struct{ Kind, ID, User string }{{"grant", "grant_1", "anna"}, {"key", "key_1", "boss"}}
	if diff := cmp.Diff(want, got.Connected); diff != "" || len(got.Backends) != 3 || len(got.Refused) != 1 {
		t.Errorf("%s, %d backends", diff, len(got.Backends))
	}
}

// T23: what backends and clients say about themselves is text, whatever they say.
func TestDashboard_page(t *testing.T) {
	t.Parallel()
	w := serve(t, dashboard(guests{}).Routes(), "/dashboard", admin)
	body := w.Body.String()
	for _, want := range []string{
		"1 of 2 backends are healthy", "built-in · modern · 2026-07-28", "3.2 ms", "3.1 s", "state warn", "two tools are called files_x",
		"&lt;script&gt;", "office", `href="/admin/grants/grant_1"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %q", want)
		}
	}
	for _, bad := range []string{"<script", "javascript:x'", "\u202e", "\x1b", "never used", "revoked"} {
		if strings.Contains(body, bad) {
			t.Errorf("has %q", bad)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("policy %q", csp)
	}
}

// A store that is down takes the list of people with it, not the backends, and
// never looks like nobody being there.
func TestDashboard_storeDown(t *testing.T) {
	t.Parallel()
	d := dashboard(guests{fault.Wrap(errors.New("disk on fire"), fault.Unavailable, "The store does not answer. Try again in a moment.")})
	for _, path := range []string{"/dashboard", "/dashboard/status"} {
		w := serve(t, d.Routes(), path, admin)
		if body := w.Body.String(); w.Code != http.StatusServiceUnavailable || !strings.Contains(body, "does not answer") || strings.Contains(body, "disk on fire") {
			t.Errorf("%s: %d %s", path, w.Code, body)
		}
	}
	if body := serve(t, d.Routes(), "/dashboard", admin).Body.String(); !strings.Contains(body, "memory") || strings.Contains(body, "Nobody has used") {
		t.Errorf("%s", body)
	}
}

// lot holds one parked call of each of two users.
type lot struct{ gone []string }

func (l *lot) Parked(user string) []park.Info {
	var list []park.Info
	for _, i := range []park.Info{{ID: "one", User: "ann", Backend: "mine"}, {ID: "two", User: "bob", Backend: "mine"}} {
		if (user == "" || i.User == user) && !slices.Contains(l.gone, i.ID) {
			list = append(list, i)
		}
	}
	return list
}

func (l *lot) CancelParked(id, user string) bool {
	for _, i := range l.Parked(user) {
		if i.ID == id {
			l.gone = append(l.gone, id)
			return true
		}
	}
	return false
}

func TestStatus_parkedCalls(t *testing.T) {
	t.Parallel()
	ann := account.Principal{User: "ann", Role: account.RoleMember, Access: account.Everything()}
	admin := account.Principal{User: "root", Role: account.RoleAdmin, Access: account.Everything()}
	waiting := &lot{}
	routes := (&status.Handler{Source: source(), Lot: waiting}).Routes()
	parked := func(p account.Principal) string {
		var r struct{ Parked []park.Info }
		if err := json.Unmarshal(serve(t, routes, "/status", p).Body.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		ids := ""
		for _, i := range r.Parked {
			ids += i.ID + " "
		}
		return ids
	}
	if got := parked(ann); got != "one " {
		t.Errorf("a user sees %q", got)
	}
	if got := parked(admin); got != "one two " {
		t.Errorf("an admin sees %q", got)
	}
	cancel := func(id string, p account.Principal) int {
		mux := http.NewServeMux()
		for _, r := range routes {
			mux.Handle(r.Pattern, r.Handler)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(account.WithPrincipal(t.Context(), p), http.MethodDelete, "/status/parked/"+id, nil))
		return w.Code
	}
	if a, b := cancel("two", ann), cancel("none", ann); a != http.StatusNotFound || b != a {
		t.Errorf("another user's call: %d, one that is not there: %d", a, b)
	}
	if code := cancel("one", ann); code != http.StatusNoContent {
		t.Errorf("an own call: %d", code)
	}
	if code := cancel("two", admin); code != http.StatusNoContent || parked(admin) != "" {
		t.Errorf("an admin: %d, left %q", code, parked(admin))
	}
}
