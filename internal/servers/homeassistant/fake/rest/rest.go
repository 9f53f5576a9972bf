// Package rest is the REST API of the fake. Only the fake uses it.
//
// Paths, statuses and words are those of components/api/__init__.py, components/config,
// helpers/http.py and aiohttp, whose own errors are plain text (ref 1.2; developer docs,
// api/rest).
package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/command"
	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
	"drawbridge/internal/servers/homeassistant/fake/service"
)

type m = house.Map

// Reply is an answer, whole before the lock of the house is given back.
type Reply struct {
	Status int
	Kind   string
	Body   []byte
	Header map[string]string
	Refuse bool // it counts as a failed login
}

// Write sends it.
func (r Reply) Write(w http.ResponseWriter, _ *http.Request) {
	if r.Kind != "" {
		w.Header().Set("Content-Type", r.Kind)
	}
	for k, v := range r.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // a client that hung up is no fault of ours
}

// Request is one that has a route.
type Request struct {
	H     *house.House
	S     *service.Set
	User  *house.User
	HTTP  *http.Request
	Body  []byte
	Parts map[string]string // of the path
}

type route struct {
	method, path string
	admin, open  bool
	do           func(r *Request) Reply
}

// JSON is an answer of some value.
func JSON(status int, v any) Reply {
	data, err := json.Marshal(v)
	if err != nil {
		return Plain(http.StatusInternalServerError)
	}
	return Reply{Status: status, Kind: "application/json", Body: data}
}

// Text is an answer in plain text.
func Text(s string) Reply {
	return Reply{Status: http.StatusOK, Kind: "text/plain; charset=utf-8", Body: []byte(s)}
}

// Message is the usual error, and some good news.
func Message(status int, text string) Reply { return JSON(status, m{"message": text}) }

// Plain is an error of aiohttp's own.
func Plain(status int) Reply {
	text := map[int]string{400: "400: Bad Request", 401: "401: Unauthorized", 403: "403: Forbidden", 404: "404: Not Found", 405: "405: Method Not Allowed",
		500: "500 Internal Server Error\n\nServer got itself in trouble", 503: "503: Service Unavailable"}[status]
	return Reply{Status: status, Kind: "text/plain; charset=utf-8", Body: []byte(text), Refuse: status == http.StatusUnauthorized}
}

// refused is a 401 with the pointer for OAuth clients (RFC 9728, since 2026).
func refused(r *http.Request) Reply {
	p := Plain(http.StatusUnauthorized)
	p.Header = map[string]string{"WWW-Authenticate": `Bearer resource_metadata="http://` + r.Host + `/.well-known/oauth-protected-resource"`}
	return p
}

// Serve answers one request. The caller holds the lock of the house.
func Serve(h *house.House, s *service.Set, r *http.Request, body []byte) (Reply, *house.User) {
	rt, parts, others := match(r.Method, r.URL.Path)
	if rt == nil && others != nil {
		p := Plain(http.StatusMethodNotAllowed)
		p.Header = map[string]string{"Allow": strings.Join(others, ",")}
		return p, nil
	}
	if rt == nil {
		return Plain(http.StatusNotFound), nil
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	user := h.User(token)
	if kind != "Bearer" {
		user = nil
	}
	switch {
	case rt.open:
	case user == nil:
		return refused(r), nil
	case rt.admin && !user.Admin: // an Unauthorized, which is a 401, too
		return Plain(http.StatusUnauthorized), user
	}
	return rt.do(&Request{h, s, user, r, body, parts}), user
}

var name = regexp.MustCompile(`\{(\w+)\}`)

func match(method, path string) (found *route, parts map[string]string, others []string) {
	for i, rt := range routes {
		expr := name.ReplaceAllString(rt.path, `(?P<$1>[^{}/]+)`)
		got := regexp.MustCompile("^" + expr + "$").FindStringSubmatch(path)
		switch {
		case got == nil:
		case rt.method == method || rt.method == http.MethodGet && method == http.MethodHead:
			parts = map[string]string{}
			for j, k := range regexp.MustCompile(expr).SubexpNames() {
				if k != "" {
					parts[k] = got[j]
				}
			}
			return &routes[i], parts, nil
		default:
			others = append(others, rt.method)
		}
	}
	slices.Sort(others)
	return nil, nil, others
}

var routes = slices.Concat(core, past, config)

// object decodes a body that has to be a JSON object; an empty one is nil.
func (r *Request) object() (body m, isObject, isJSON bool) {
	if len(r.Body) == 0 {
		return nil, false, true
	}
	d := json.NewDecoder(strings.NewReader(string(r.Body)))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return nil, false, false
	}
	body, isObject = v.(m)
	return body, isObject, true
}

var core = []route{
	{method: "GET", path: "/api/", do: func(*Request) Reply { return Message(200, "API running.") }},
	{method: "GET", path: "/api/config", do: func(r *Request) Reply { return JSON(200, r.H.Config()) }},
	{method: "GET", path: "/api/core/state", do: func(r *Request) Reply {
		return JSON(200, m{"state": r.H.Running, "recorder_state": m{"migration_in_progress": false, "migration_is_live": false}})
	}},
	{method: "POST", path: "/api/events/{type}", admin: true, do: fire},
	{method: "GET", path: "/api/states", do: func(r *Request) Reply { return JSON(200, command.States(r.H)) }},
	{method: "GET", path: "/api/states/{id}", do: func(r *Request) Reply {
		if s := r.H.States[strings.ToLower(r.Parts["id"])]; s != nil {
			return JSON(200, house.Full(s))
		}
		return Message(404, "Entity not found.")
	}},
	{method: "POST", path: "/api/states/{id}", admin: true, do: setState},
	{method: "DELETE", path: "/api/states/{id}", admin: true, do: func(r *Request) Reply {
		if r.H.Drop(r.Parts["id"], r.H.NewContext(r.User, "")) {
			return Message(200, "Entity removed.")
		}
		return Message(404, "Entity not found.")
	}},
	{method: "GET", path: "/api/services", do: func(r *Request) Reply {
		out := []m{}
		for d, list := range r.S.Descriptions() {
			out = append(out, m{"domain": d, "services": list})
		}
		slices.SortFunc(out, func(a, b m) int { return strings.Compare(a["domain"].(string), b["domain"].(string)) })
		return JSON(200, out)
	}},
	{method: "POST", path: "/api/services/{domain}/{service}", do: call},
	{method: "POST", path: "/api/template", admin: true, do: render},
	{method: "GET", path: "/api/error_log", admin: true, do: func(r *Request) Reply {
		text := ""
		for _, p := range slices.Backward(r.H.Problems) {
			text += p.Last.In(r.H.Zone).Format("2006-01-02 15:04:05.000") + " " + p.Level + " (MainThread) [" + p.Name + "] " + p.Messages[0] + "\n"
		}
		return Text(text)
	}},
	{method: "GET", path: "/api/camera_proxy/{id}", open: true, do: picture("camera")},
	{method: "GET", path: "/api/image_proxy/{id}", open: true, do: picture("image")}, // components/image, ImageView
}

func fire(r *Request) Reply {
	body, isObject, isJSON := r.object()
	switch {
	case !isJSON:
		return Message(400, "Event data should be valid JSON.")
	case !isObject && len(r.Body) > 0:
		return Message(400, "Event data should be a JSON object")
	}
	if body == nil {
		body = m{}
	}
	r.H.Fire(r.Parts["type"], body, r.H.NewContext(r.User, ""))
	return Message(200, "Event "+r.Parts["type"]+" fired.")
}

func setState(r *Request) Reply {
	body, isObject, isJSON := r.object()
	state, _ := body["state"].(string)
	if n, ok := body["state"].(json.Number); ok {
		state = n.String()
	}
	id := strings.ToLower(r.Parts["id"])
	switch {
	case !isJSON:
		return Plain(500)
	case !isObject:
		return Message(400, "State data should be a JSON object")
	case body["state"] == nil:
		return Message(400, "No state attribute specified.")
	case !schema.ValidEntity(id):
		return Message(400, "Invalid entity ID specified.")
	case len(state) > 255:
		return Message(400, "Invalid state specified.")
	}
	status := 200
	if r.H.States[id] == nil {
		status = 201
	}
	attrs, _ := body["attributes"].(m)
	if attrs == nil {
		attrs = m{}
	}
	rep := JSON(status, house.Full(r.H.Set(id, state, attrs, r.H.NewContext(r.User, ""))))
	rep.Header = map[string]string{"Location": "/api/states/" + id}
	return rep
}

// call is APIDomainServicesView: what went wrong is hardly told. Unknown services and bad
// data are aiohttp's plain 400, what a service refuses is its plain 500.
func call(r *Request) Reply {
	body, isObject, isJSON := r.object()
	if !isJSON {
		return Message(400, "Data should be valid JSON.")
	}
	domain, name := r.Parts["domain"], r.Parts["service"]
	d := r.S.Find(domain, name)
	returns := r.HTTP.URL.Query().Has("return_response")
	switch {
	case d == nil:
		return Plain(400)
	case returns && d.Response == "":
		return Message(400, "Service does not support responses. Remove return_response from request.")
	case !returns && d.Response == "only":
		return Message(400, "Service call requires responses but caller did not ask for responses. Add ?return_response to query parameters.")
	case !isObject && len(r.Body) > 0:
		return Plain(500)
	}
	at, changed := r.H.NewContext(r.User, ""), []any{}
	stop := r.H.Listen("state_changed", func(e house.Event) {
		if e.Context.ID == at.ID && e.New != nil {
			changed = append(changed, house.Full(e.New))
		}
	})
	out, err := r.S.Call(r.User, domain, name, body, nil, returns, at)
	stop()
	var p *service.Problem
	switch {
	case errors.As(err, &p):
		return Plain(500)
	case errors.Is(err, service.Refused{}):
		return Plain(401)
	case err != nil:
		return Plain(400)
	case returns:
		return JSON(200, m{"changed_states": changed, "service_response": out})
	}
	return JSON(200, changed)
}

// picture is CameraView, or ImageView: a token in the query does, too.
func picture(domain string) func(r *Request) Reply {
	return func(r *Request) Reply { return pictureOf(domain, r) }
}

func pictureOf(domain string, r *Request) Reply {
	s := r.H.States[r.Parts["id"]]
	_, token, _ := strings.Cut(r.HTTP.Header.Get("Authorization"), " ")
	switch {
	case s == nil || house.Domain(s.EntityID) != domain:
		return Plain(404)
	case r.H.User(token) == nil && r.HTTP.URL.Query().Get("token") != s.Attributes["access_token"]:
		if token != "" {
			return Plain(401)
		}
		return Plain(403)
	case s.State == "off":
		return Plain(503)
	case r.H.Images[s.EntityID] == nil:
		return Plain(500)
	}
	return Reply{Status: 200, Kind: "image/jpeg", Body: r.H.Images[s.EntityID]}
}
