// Package exchange is what every operation of the fake's API is made with: routes, who
// may, bodies bound to structs, errors, pages and ranges, as Forgejo and Gitea have them.
// Only the fake uses it.
package exchange

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

// Profile is which program, in which version, the fake passes for.
type Profile int

// The versions that our server has adapters for (ref 4.2, Versions).
const (
	Forgejo15 Profile = iota // long-term release: runs, but neither jobs nor logs
	Forgejo16                // first with the jobs of a run and their logs
	Gitea126                 // runs, jobs and workflows in the shapes of GitHub
)

// Forgejo tells one program from the other.
func (p Profile) Forgejo() bool { return p != Gitea126 }

// Version is what /version says: Forgejo appends the Gitea it is compatible with.
func (p Profile) Version() string {
	switch p {
	case Forgejo15:
		return "15.0.2+gitea-1.22.0"
	case Forgejo16:
		return "16.0.0+gitea-1.22.0"
	default:
		return "1.26.0"
	}
}

// Call is one request on its way through a handler. Whoever makes it fills in the first
// group and holds the lock of the forge for as long as it lives.
type Call struct {
	R                   *http.Request
	Body                []byte
	Base                string // the server's own URL, as the caller knows it
	Profile             Profile
	Forge               *forge.Forge
	MaxItems, PageItems int // of a page: the cap, and what nobody asked for

	Vars    map[string]string // of the path
	Query   url.Values
	User    *forge.User // nil for a stranger
	Basic   bool        // by password, not by token
	Token   *forge.Token
	V       *shape.View
	Repo    *forge.Repo // of routes under /repos/{owner}/{repo}
	Ignored []string    // members of the body that the API does not know
}

// OK, Created and Empty are answers that went well.
func OK(body any) Reply      { return Reply{Status: http.StatusOK, Body: body} }
func Created(body any) Reply { return Reply{Status: http.StatusCreated, Body: body} }
func Empty(status int) Reply { return Reply{Status: status} }

// Fail is the usual error: {message, url} (swagger APIError, ref 4.2).
func (c *Call) Fail(status int, format string, args ...any) Reply {
	return Reply{Status: status, Body: Obj{"message": fmt.Sprintf(format, args...), "url": c.Base + "/api/swagger"}}
}

// Invalid is the 422 of anything a body must not say.
func (c *Call) Invalid(format string, args ...any) Reply {
	return c.Fail(http.StatusUnprocessableEntity, format, args...)
}

// Broken is what both answer where they did not expect an error: in production the
// text stays in their log (Gitea 1.26, Forgejo).
func (c *Call) Broken() Reply { return c.Fail(http.StatusInternalServerError, "") }

// Missing is the 404 of something that is not there or not for the caller; causes are
// listed beside the message (ref 4.2: the two programs differ in words and in null).
func (c *Call) Missing(causes ...string) Reply {
	body := Obj{"message": "not found", "url": c.Base + "/api/swagger", "errors": causes}
	if c.Profile.Forgejo() {
		body["message"], body["errors"] = "The target couldn't be found.", append([]string{}, causes...)
	}
	return Reply{Status: http.StatusNotFound, Body: body}
}

// List answers one page of rows, with the headers of paging (ref 4.2): the size is
// capped in silence, while the links repeat what was asked for.
func List[T any](c *Call, rows []T, as func(T) any) Reply {
	part, page, size := Window(c, rows)
	rep := OK(shape.Each(part, as))
	rep.Header = c.pageHeader(len(rows), page, size)
	return rep
}

// ListMore is List with the headers that lists out of git have beside.
func ListMore[T any](c *Call, rows []T, as func(T) any) Reply {
	rep := List(c, rows, as)
	_, page, size := Window(c, rows)
	pages := (len(rows) + size - 1) / size
	rep.Header.Set("X-Page", strconv.Itoa(page))
	rep.Header.Set("X-PerPage", strconv.Itoa(size))
	rep.Header.Set("X-PageCount", strconv.Itoa(pages))
	rep.Header.Set("X-HasMore", strconv.FormatBool(page < pages))
	return rep
}

// Window cuts the page out of rows that the query asks for.
func Window[T any](c *Call, rows []T) (part []T, page, size int) {
	page = max(c.Number("page"), 1)
	size = c.Number("limit")
	if size <= 0 {
		size = c.PageItems
	}
	size = min(size, c.MaxItems)
	from := min((page-1)*size, len(rows))
	return rows[from:min(from+size, len(rows))], page, size
}

func (c *Call) pageHeader(total, page, size int) http.Header {
	h := http.Header{"X-Total-Count": {strconv.Itoa(total)}}
	last := (total + size - 1) / size
	link := func(rel string, n int) string {
		q := c.R.URL.Query()
		q.Set("page", strconv.Itoa(n))
		return fmt.Sprintf("<%s%s?%s>; rel=%q", c.Base, c.R.URL.Path, q.Encode(), rel)
	}
	var links []string
	if page < last {
		links = append(links, link("next", page+1), link("last", last))
	}
	if page > 1 {
		links = append(links, link("first", 1), link("prev", page-1))
	}
	if links != nil {
		h.Set("Link", strings.Join(links, ","))
	}
	return h
}

// Number and Truth read a query the way both do: what is no number is none.
func (c *Call) Number(name string) int { n, _ := strconv.Atoi(c.Query.Get(name)); return n }
func (c *Call) Truth(name string) bool { b, _ := strconv.ParseBool(c.Query.Get(name)); return b }

// VarID is a number of the path, 0 if it is none.
func (c *Call) VarID(name string) int64 { n, _ := strconv.ParseInt(c.Vars[name], 10, 64); return n }

// CSV is a query of names with commas between them.
func (c *Call) CSV(name string) []string {
	return slices.DeleteFunc(strings.Split(c.Query.Get(name), ","), func(s string) bool { return s == "" })
}

// Bind reads the body into dst, a pointer to a struct whose members have json tags and
// may have rule tags: "required" or "in(a,b)". Errors name the field as the upstream's
// structs call it, which the tag "go" tells where it is not the member's own name in
// capitals (ref 4.2: "[Name]: Required", "[Do]: In").
//
// As upstream: a body counts only if its Content-Type says JSON; POST and PUT must have
// one; members that nobody knows are ignored, which goes on record.
func (c *Call) Bind(dst any) *Reply {
	kind := c.R.Header.Get("Content-Type")
	switch {
	case strings.Contains(kind, "json"):
		if len(c.Body) > 0 {
			if err := json.Unmarshal(c.Body, dst); err != nil {
				return new(c.Invalid("[]: %s", err))
			}
			c.unknown(reflect.TypeOf(dst).Elem())
		}
	case kind == "" && c.R.Method != http.MethodPost && c.R.Method != http.MethodPut:
	case kind == "":
		return new(c.Invalid("[]: Empty Content-Type"))
	default:
		return new(c.Invalid("[]: Unsupported Content-Type"))
	}
	if field, rule := broke(reflect.ValueOf(dst).Elem()); field != "" {
		return new(c.Invalid("[%s]: %s", field, rule))
	}
	return nil
}

func (c *Call) unknown(t reflect.Type) {
	var sent map[string]json.RawMessage
	if json.Unmarshal(c.Body, &sent) != nil {
		return
	}
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[strings.ToLower(name)] = true
	}
	for name := range sent {
		if !known[strings.ToLower(name)] {
			c.Ignored = append(c.Ignored, name)
		}
	}
	slices.Sort(c.Ignored)
}

// broke finds the first field that breaks its rule.
func broke(v reflect.Value) (field, rule string) {
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.Anonymous {
			continue
		}
		val := v.FieldByIndex(f.Index)
		if val.Kind() == reflect.Slice && val.Type().Elem().Kind() == reflect.Struct {
			for j := range val.Len() {
				if field, rule = broke(val.Index(j)); field != "" {
					return field, rule
				}
			}
		}
		name := cmp.Or(f.Tag.Get("go"), f.Name)
		want := f.Tag.Get("rule")
		if strings.HasPrefix(want, "required") && val.IsZero() { // an empty list is not zero
			return name, "Required"
		}
		if _, in, ok := strings.Cut(want, "in("); ok && !slices.Contains(strings.Split(strings.TrimSuffix(in, ")"), ","), val.String()) {
			return name, "In"
		}
	}
	return "", ""
}

// Or is s, or otherwise if s is empty.
func Or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Set takes over a member that was sent.
func Set[T any](into, from *T) {
	if from != nil {
		*into = *from
	}
}
