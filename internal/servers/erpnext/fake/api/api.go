// Package api is what a site answers to: the resources of API v1, the documents of API
// v2, and the whitelisted methods that both call. Only the fake uses it.
//
// Sources: frappe/api/v1.py, v2.py (of version 15 and of 16, which differ), handler.py,
// client.py, and the module that a method's path names.
package api

import (
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/office"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

type obj = site.Obj

// API answers calls. Its owner locks it together with the site.
type API struct {
	Office   *office.Office
	Sessions map[string]*wire.Cookie
	methods  map[string]wire.Method
}

// method is a whitelisted function that needs the API itself.
type method struct {
	guest bool
	http  string
	need  string
	run   func(*API, *wire.Call) (any, error)
}

// New is one for a site.
func New() *API {
	a := &API{Office: office.New(), Sessions: map[string]*wire.Cookie{}}
	a.methods = a.Office.Methods()
	for _, more := range []map[string]method{basics(), clients(), desk()} {
		for path, m := range more {
			a.methods[path] = wire.Method{Guest: m.guest, HTTP: m.http, Need: m.need,
				Run: func(c *wire.Call) (any, error) { return m.run(a, c) }}
		}
	}
	return a
}

// Serve answers one call whose form is read and whose user is known.
func (a *API) Serve(c *wire.Call) error {
	path := c.R.URL.Path
	switch {
	case strings.HasPrefix(path, "/private/files/"), strings.HasPrefix(path, "/files/"):
		return a.Office.Download(c, path)
	case path == "/app" || path == "/desk":
		return a.page(c)
	case !strings.HasPrefix(path, "/api/"):
		return exc.NoRoute("The requested URL was not found on the server.")
	}
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/api/"), "/"), "/")
	switch {
	case c.V2:
		return a.v2(c, parts[1:])
	case parts[0] == "v1" && c.Site.Version >= 15:
		parts = parts[1:]
	}
	return a.v1(c, parts)
}

// noRoute is what the router's NotFound becomes, "for backward compatibility".
func noRoute() error { return exc.Raise(exc.NotFound, "") }

// Commits tells whether what a call did is kept (app.py: sync_database): a GET never is.
func Commits(method string) bool {
	return slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch}, method)
}

// call runs a whitelisted method by its path.
func (a *API) call(c *wire.Call, path string) (any, error) {
	m, known := a.methods[path]
	if !known || m.Until != 0 && c.Site.Version > m.Until {
		module, name := "", path
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			module, name = path[:i], path[i+1:]
		}
		text := "Failed to get method for command " + path + " with module '" + module + "' has no attribute '" + name + "'"
		if module == "" {
			text = "Failed to get method for command " + path + " with '" + path + "'"
		}
		if c.V2 {
			text = strings.Replace(text, "for command ", "", 1)
		}
		return nil, exc.Throw(exc.Validation, "", "%s", text)
	}
	if c.SS.User.Name == "Guest" && !m.Guest {
		return nil, notWhitelisted(c, path)
	}
	if m.HTTP != "" && !slices.Contains(strings.Fields(m.HTTP), c.R.Method) {
		return nil, exc.Throw(exc.Permission, "", "Not permitted")
	}
	for name := range strings.FieldsSeq(m.Need) {
		if _, given := c.Form[name]; !given {
			return nil, exc.Raise(exc.Type, "%s() missing 1 required positional argument: '%s'", path[strings.LastIndexByte(path, '.')+1:], name)
		}
	}
	return m.Run(c)
}

func notWhitelisted(c *wire.Call, path string) error {
	summary := "You are not permitted to access this resource."
	if c.Site.Version >= 15 {
		summary += " Login to access"
	}
	return exc.Throw(exc.Permission, "Method Not Allowed", "<details><summary>%s</summary>Function %s is not whitelisted.</details>", summary, exc.Bold(path))
}

// shown is a document as the routes answer it: a document object loses its nulls on the
// way to JSON, and only v2 from version 16 on makes a dict of it first.
func shown(c *wire.Call, doc obj) obj {
	return wire.Dict(doc, !(c.V2 && c.Site.Version >= 16))
}
