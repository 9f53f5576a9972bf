// Package web has the embedded pages, styles and icons, the headers they are sent
// with, and what browsers bring back: cookies, and proof that a form was one of
// ours. It has no logic beyond that: what a page shows is decided by the package
// that renders it.
//
// A page is a template in templates/ that defines "body" as one of the layouts,
// "bar" for the pages behind the sign-in or "door" for those before it, and fills
// the layout's blocks "title" and "content". The data of a page with the layout
// "bar" embeds Bar. Pages work without JavaScript, load nothing from elsewhere and
// cannot be framed.
package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"drawbridge/internal/route"
)

//go:embed templates static
var files embed.FS

// Form says where a page's forms may go.
type Form int

// FormSelf is right for every page with a form but consent, whose answer leads to
// the client: browsers apply form-action to redirects too (security reference, R6).
const (
	FormNone Form = iota // the page has no form
	FormSelf
	FormAny
)

// Render answers with a page: its name in templates/ without .html.
func Render(w http.ResponseWriter, status int, name string, form Form, data any) error {
	t, err := page(name)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "page", data); err != nil {
		return fmt.Errorf("render page %s: %w", name, err)
	}
	protect(w.Header(), form)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a browser that is gone needs no page
	return nil
}

// protect sets the headers of a page.
func protect(h http.Header, form Form) {
	policy, referrer := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'", "no-referrer"
	if form != FormNone {
		// With no-referrer a browser posts a form with "Origin: null", and over plain
		// http with nothing else that tells whose form it was. This one tells others
		// as little.
		referrer = "same-origin"
	}
	switch form {
	case FormNone:
		policy += "; form-action 'none'"
	case FormSelf:
		policy += "; form-action 'self'"
		// Not before a client's own page: it would cut a window that a client opened
		// for the sign-in off from the page that waits for it.
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	case FormAny:
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", referrer)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
}

var parsed struct {
	mu    sync.Mutex // guards pages
	pages map[string]*template.Template
}

// page parses a template with the layouts, once.
func page(name string) (*template.Template, error) {
	parsed.mu.Lock()
	defer parsed.mu.Unlock()
	if t := parsed.pages[name]; t != nil {
		return t, nil
	}
	t, err := template.New(name).Funcs(functions).ParseFS(files, "templates/layout.html", "templates/"+name+".html")
	if err != nil {
		return nil, fmt.Errorf("parse page %s: %w", name, err)
	}
	if parsed.pages == nil {
		parsed.pages = map[string]*template.Template{}
	}
	parsed.pages[name] = t
	return t, nil
}

// Bar is what the layout of the pages behind the sign-in shows.
type Bar struct {
	At        string // path of the current page's entry in the navigation
	User      string // who is signed in; "" for a key
	FormToken string // of the form that signs out
	Plain     bool   // the connection can be read by others, which is said
}

// Link is an entry of the navigation.
type Link struct {
	Name    string
	Path    string
	Current bool
}

// Links are the navigation.
func (b Bar) Links() []Link {
	links := []Link{
		{Name: "Dashboard", Path: "/dashboard"},
		{Name: "Users", Path: "/admin/users"},
		{Name: "Keys", Path: "/admin/keys"},
		{Name: "Clients", Path: "/admin/clients"},
		{Name: "Grants", Path: "/admin/grants"},
		{Name: "Profiles", Path: "/admin/profiles"},
	}
	for i := range links {
		links[i].Current = links[i].Path == b.At
	}
	return links
}

// Routes are the static files.
func Routes() []route.Route {
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		panic("read static files: " + err.Error()) // they are compiled in
	}
	var routes []route.Route
	for _, e := range entries {
		body, err := files.ReadFile(path.Join("static", e.Name()))
		if err != nil {
			panic("read static files: " + err.Error())
		}
		routes = append(routes, route.Route{Pattern: "/static/" + e.Name(), Methods: []string{http.MethodGet, http.MethodHead},
			Policy: route.Public, Handler: static(e.Name(), body)})
	}
	return routes
}

var mediaTypes = map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

func static(name string, body []byte) http.Handler {
	media := mediaTypes[path.Ext(name)]
	if media == "" {
		panic("static file " + name + " has no media type")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", media)
		h.Set("Cache-Control", "max-age=3600")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body) // a browser that is gone needs no file
	})
}

// functions are what templates may call.
var functions = template.FuncMap{
	"ago":   ago,
	"when":  when,
	"claim": Claim,
	"count": count,
	"join":  func(list []string) string { return strings.Join(list, ", ") },
}
