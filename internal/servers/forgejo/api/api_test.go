package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/kit"
)

// session speaks to a handler as the owner of a token.
func session(t *testing.T, h http.HandlerFunc) api.Session {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	deps := kit.Deps{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	up, err := deps.Upstream(kit.Target{Name: "Forgejo", URL: api.Base(srv.URL + "/"), Renew: "Set another."})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	return api.New(up).As(secret.New("made-up"))
}

func TestAbout(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]api.About{
		"16.0.0+gitea-1.22.0":      {Flavour: api.Forgejo, Version: "16.0.0", Major: 16},
		"15.0.2-7-gabc+gitea-1.22": {Flavour: api.Forgejo, Version: "15.0.2", Major: 15},
		"1.26.0":                   {Flavour: api.Gitea, Version: "1.26.0", Major: 1, Minor: 26},
		"1.26.0+dev-12-gabcdef":    {Flavour: api.Gitea, Version: "1.26.0", Major: 1, Minor: 26},
		"<script>":                 {},
		"":                         {},
	} {
		asked := 0
		s := session(t, func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.URL.Path == "/api/v1/version" {
				fmt.Fprintf(w, `{"version":%q}`, version)
				return
			}
			fmt.Fprint(w, `{"max_response_items":50}`)
		})
		got, err := s.About(t.Context())
		if want.Version == "" {
			if fault.CodeOf(err) != fault.Upstream || strings.Contains(fault.PublicOf(err), "script") {
				t.Errorf("%q: %v", version, err)
			}
			continue
		}
		if err != nil || got.Flavour != want.Flavour || got.Version != want.Version || got.Major != want.Major || got.Minor != want.Minor || got.PageSize != 50 {
			t.Errorf("%q: %+v, %v", version, got, err)
		}
		if _, err := s.About(t.Context()); err != nil || asked != 2 {
			t.Errorf("it was asked %d times, %v", asked, err)
		}
	}
}

// A list that knows no pages gives everything; the window is cut out of it.
func TestList_withoutPages(t *testing.T) {
	t.Parallel()
	s := session(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/version"):
			fmt.Fprint(w, `{"version":"1.26.0"}`)
		case strings.HasSuffix(r.URL.Path, "/settings/api"):
			fmt.Fprint(w, `{"max_response_items":2}`)
		default:
			fmt.Fprint(w, `[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"}]`)
		}
	})
	rows, total, err := s.In("a", "b").Branches(t.Context(), api.Window{Offset: 3, Limit: 2})
	var names []string
	for _, b := range rows {
		names = append(names, b.Name)
	}
	if d := cmp.Diff([]string{"d"}, names); d != "" || total != 4 || err != nil {
		t.Errorf("%s, %d, %v", d, total, err)
	}
}

// What the installation writes in an error is recognised and never repeated.
func TestRefine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		code   fault.Code
		want   string
	}{
		{403, `{"message":"token does not have at least one of required scope(s), required=[write:issue], token scope=read:issue canary"}`, fault.Forbidden, "lacks the scope write:issue"},
		{403, `{"message":"required=[write:canary]"}`, fault.Forbidden, "(403)"},
		{422, `{"message":"sha does not match [given: canary, expected: x]"}`, fault.Conflict, "has changed since"},
		{422, `{"message":"repository file already exists [path: canary]"}`, fault.Conflict, "there already"},
		{422, `{"message":"canary"}`, fault.Invalid, "(422)"},
		{405, `{"message":"The PR is already merged canary"}`, fault.Conflict, "merged already"},
		{405, `{"message":"canary"}`, fault.Conflict, "cannot be merged now"},
		{423, `{"message":"canary"}`, fault.Forbidden, "archived"},
		{413, `{"message":"canary"}`, fault.Limited, "quota"},
	} {
		s := session(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		_, err := s.In("a", "b").Facts(t.Context())
		if public := fault.PublicOf(err); fault.CodeOf(err) != c.code || !strings.Contains(public, c.want) || strings.Contains(public, "canary") {
			t.Errorf("%d %s: %s, %s", c.status, c.body, fault.CodeOf(err), public)
		}
	}
}

// A page for people, with status 200, is not the success of anything.
func TestCall_loginPage(t *testing.T) {
	t.Parallel()
	s := session(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<html>sign in")
	})
	if err := s.In("a", "b").DeleteBranch(t.Context(), "x"); fault.CodeOf(err) != fault.Upstream {
		t.Errorf("%v", err)
	}
	if _, err := s.In("a", "b").PullDiff(t.Context(), 1); fault.CodeOf(err) != fault.Upstream {
		t.Errorf("%v", err)
	}
}

// The end of a log is read without the rest, where the installation knows ranges; where
// it does not, the answer is the same.
func TestJobLog(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&log, "line %03d.\n", i)
	}
	for _, ranges := range []bool{true, false} {
		sent := 0
		s := session(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/version"):
				fmt.Fprint(w, `{"version":"16.0.0+gitea-1.22.0"}`)
			case strings.HasSuffix(r.URL.Path, "/settings/api"):
				fmt.Fprint(w, `{}`)
			case ranges:
				counted := &counter{ResponseWriter: w, n: &sent}
				w.Header().Set("Content-Type", "text/plain")
				http.ServeContent(counted, r, "", time.Time{}, strings.NewReader(log.String()))
			default:
				fmt.Fprint(w, log.String())
			}
		})
		repo := s.In("a", "b")
		end, err := repo.JobLog(t.Context(), 1, -20, 20)
		if err != nil || string(end.Text) != "line 998.\nline 999.\n" || end.Offset != 9980 || end.Size != 10000 {
			t.Errorf("ranges %v: %q at %d of %d, %v", ranges, end.Text, end.Offset, end.Size, err)
		}
		if ranges && sent != 21 {
			t.Errorf("%d bytes were sent for 20", sent)
		}
		part, err := repo.JobLog(t.Context(), 1, 10, 10)
		if err != nil || string(part.Text) != "line 001.\n" || part.Offset != 10 || part.Size != 10000 {
			t.Errorf("ranges %v: %q at %d of %d, %v", ranges, part.Text, part.Offset, part.Size, err)
		}
		all, err := repo.JobLog(t.Context(), 1, -20000, 20000)
		if err != nil || string(all.Text) != log.String() {
			t.Errorf("ranges %v: %d bytes, %v", ranges, len(all.Text), err)
		}
	}
}

// counter counts what is written.
type counter struct {
	http.ResponseWriter
	n *int
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	*c.n += n
	return n, err
}

// Names stay elements of the path, whatever is in them.
func TestPaths(t *testing.T) {
	t.Parallel()
	var paths []string
	s := session(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.EscapedPath())
		fmt.Fprint(w, `{}`)
	})
	r := s.In("a", "b")
	_, _ = r.Branch(t.Context(), "fix/a?b#c")
	_, _ = r.List(t.Context(), "/docs/../x y/", "")
	_, _, _ = r.Compare(t.Context(), "main", "fix/a")
	want := []string{"/api/v1/repos/a/b/branches/fix%2Fa%3Fb%23c", "/api/v1/repos/a/b/contents/docs/%2E%2E/x%20y", "/api/v1/repos/a/b/compare/main...fix%2Fa"}
	if d := cmp.Diff(want, paths); d != "" {
		t.Error(d)
	}
}
