package exchange

import (
	"net/http"
	"net/url"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/forge"
)

// Route is one operation of the API.
type Route struct {
	Method   string
	Pattern  []string // of segments; {x} is any one, {x...} any number, also in the middle
	Scopes   []string // categories that a token must have, group by group
	SignedIn bool
	Need     forge.Level // in the repository; reading is a matter of course
	Live     bool        // the repository must not be archived
	Serve    func(*Call) Reply
}

// split cuts an escaped path at its slashes, so that %2F stays inside a segment.
func split(path string) []string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		if plain, err := url.PathUnescape(p); err == nil {
			parts[i] = plain
		}
	}
	return parts
}

// Match finds the first route that fits; other tells that a path is known, but not with
// this method.
func Match(routes []Route, method, path string) (found *Route, vars map[string]string, other bool) {
	parts := split(path)
	for i := range routes {
		rt := &routes[i]
		vars := map[string]string{}
		if !fits(rt.Pattern, parts, vars) {
			continue
		}
		if rt.Method == method || rt.Method == http.MethodGet && method == http.MethodHead {
			return rt, vars, false
		}
		other = true
	}
	return nil, nil, other
}

func fits(pattern, parts []string, vars map[string]string) bool {
	for i, p := range pattern {
		name, isVar := strings.CutPrefix(strings.TrimSuffix(p, "}"), "{")
		if rest, many := strings.CutSuffix(name, "..."); isVar && many {
			tail := pattern[i+1:]
			n := len(parts) - len(tail)
			if n < i+1 || !fits(tail, parts[n:], vars) {
				return false
			}
			vars[rest] = strings.Join(parts[i:n], "/")
			return true
		}
		if i >= len(parts) || !isVar && p != parts[i] {
			return false
		}
		if isVar {
			vars[name] = parts[i]
		}
	}
	return len(pattern) == len(parts)
}

// Routing collects routes that have most in common.
type Routing struct {
	Prefix string
	Routes []Route
}

// Add appends a route that is like how.
func (t *Routing) Add(how Route, method, path string, serve func(*Call) Reply) {
	how.Method, how.Pattern, how.Serve = method, split(t.Prefix+path), serve
	t.Routes = append(t.Routes, how)
}
