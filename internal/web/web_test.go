package web_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"drawbridge/internal/route"
	"drawbridge/internal/web"
)

func TestSay(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	err := web.Say(w, http.StatusTeapot, web.Notice{Title: "<i>T</i>", Text: "<b>what</b>", Next: "next", Word: "invalid_x", Link: "javascript:alert(1)", LinkText: "on"})
	if err != nil || w.Code != http.StatusTeapot {
		t.Fatalf("%d, %v", w.Code, err)
	}
	body := w.Body.String()
	for _, want := range []string{"<h1>&lt;i&gt;T&lt;/i&gt;</h1>", "&lt;b&gt;what&lt;/b&gt;", "<code>invalid_x</code>", `<html lang="en">`, "· Drawbridge</title>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, `href="javascript:`) {
		t.Error("a link that runs something")
	}
}

func TestRender_headers(t *testing.T) {
	t.Parallel()
	for form, c := range map[web.Form]struct{ action, referrer, opener string }{
		web.FormNone: {"; form-action 'none'", "no-referrer", ""},
		web.FormSelf: {"; form-action 'self'", "same-origin", "same-origin"},
		web.FormAny:  {"", "same-origin", ""},
	} {
		w := httptest.NewRecorder()
		if err := web.Render(w, http.StatusOK, "notice", form, web.Notice{}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'" + c.action,
			"Referrer-Policy":            c.referrer,
			"Cross-Origin-Opener-Policy": c.opener,
			"X-Frame-Options":            "DENY",
			"X-Content-Type-Options":     "nosniff",
			"Cache-Control":              "no-store",
			"Content-Type":               "text/html; charset=utf-8",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%v: %s is %q, want %q", form, name, got, want)
			}
		}
	}
}

// A page that cannot be made leaves the answer to the caller.
func TestRender_fails(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]any{"no-such-page": nil, "notice": struct{}{}} {
		w := httptest.NewRecorder()
		if err := web.Render(w, http.StatusOK, name, web.FormNone, data); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
			t.Errorf("%s: %v, %v, %s", name, err, w.Header(), w.Body)
		}
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	for _, r := range web.Routes() {
		if r.Policy != route.Public || !strings.HasPrefix(r.Pattern, "/static/") {
			t.Errorf("route %+v", r)
		}
		w := httptest.NewRecorder()
		r.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.Pattern, http.NoBody))
		if w.Code != http.StatusOK || w.Body.Len() == 0 || w.Header().Get("X-Content-Type-Options") != "nosniff" || strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %v", r.Pattern, w.Code, w.Header())
		}
	}
}

// Pages load nothing from elsewhere, run nothing, and have nothing inline that their
// policy would drop; what they refer to exists.
func TestTemplates(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for _, r := range web.Routes() {
		served[r.Pattern] = true
	}
	forbidden := regexp.MustCompile(`(?i)<script|<iframe|\sstyle=|\son[a-z]+=|(src|href|action)="(https?:)?//`)
	static := regexp.MustCompile(`"(/static/[^"]*)"`)
	for _, dir := range []string{"templates", "static"} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(dir + "/" + path)
			if err != nil {
				return err
			}
			if found := forbidden.Find(text); found != nil {
				t.Errorf("%s has %q", path, found)
			}
			if strings.Contains(string(text), "url(") || strings.Contains(string(text), "@import") {
				t.Errorf("%s loads something", path)
			}
			for _, m := range static.FindAllStringSubmatch(string(text), -1) {
				if !served[m[1]] {
					t.Errorf("%s refers to %s, which is not there", path, m[1])
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	current := 0
	for _, l := range (web.Bar{At: "/admin/keys"}).Links() {
		if l.Current {
			current++
			if l.Path != "/admin/keys" {
				t.Errorf("current is %s", l.Path)
			}
		}
	}
	if current != 1 {
		t.Errorf("%d current entries", current)
	}
}
