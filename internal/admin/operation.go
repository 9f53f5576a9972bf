package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit/shape"
)

const (
	maxBody = 1 << 20 // T9
	maxList = 1000    // items of a list
)

// operation is one method of one path: what it takes, what it answers, and how the
// document describes it.
type operation struct {
	method  string
	path    string // pattern of net/http, and path of the document
	name    string // its operationId
	summary string
	status  int // of success
	in      reflect.Type
	out     reflect.Type
	input   *shape.Shape // of in; nil: it takes nothing
	call    func(r *http.Request, raw []byte) (any, error)
	lines   bool // it also answers as NDJSON
	// serve, where set, answers by itself instead of call.
	serve func(w http.ResponseWriter, r *http.Request) error
}

// nothing is the type of a body that there is none of.
type nothing struct{}

// request is what an operation gets: its path and its input, checked.
type request[In any] struct {
	ctx context.Context
	id  string // the wildcard of the path, if it has one
	in  In
}

// op makes an operation from a function. In is a struct with the tags of shape.Of: the
// members of the body, or of the query where the method is GET.
func op[In, Out any](method, path, name string, status int, summary string, f func(request[In]) (Out, error)) operation {
	o := operation{method: method, path: path, name: name, summary: summary, status: status,
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out]()}
	if o.in != reflect.TypeFor[nothing]() {
		o.input = mustShape(o.in)
	}
	o.call = func(r *http.Request, raw []byte) (any, error) {
		req := request[In]{ctx: r.Context(), id: pathID(r)}
		if o.input != nil {
			if err := decode(o.input, raw, &req.in); err != nil {
				return nil, err
			}
		}
		return f(req)
	}
	return o
}

// mustShape makes the shape of one of this package's own types.
func mustShape(t reflect.Type) *shape.Shape {
	s, err := shape.Of(t)
	if err != nil {
		panic("admin: " + t.Name() + ": " + err.Error())
	}
	return s
}

// pathID is the one wildcard that paths of this API have.
func pathID(r *http.Request) string {
	if id := r.PathValue("id"); id != "" {
		return id
	}
	return r.PathValue("name")
}

// handler answers for an operation.
func (a *API) handler(o operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.serve != nil {
			if err := o.serve(w, r); err != nil {
				a.refuse(w, r, err)
			}
			return
		}
		raw, err := input(w, r, o)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		out, err := o.call(r, raw)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		write(w, o.status, out)
	})
}

// refusal is a fault with a status that its code does not give.
type refusal struct {
	status int
	fault  *fault.Error
}

func (e *refusal) Error() string { return e.fault.Error() }
func (e *refusal) Unwrap() error { return e.fault }

func refusef(status int, text string) error {
	return &refusal{status, fault.New(fault.Invalid, "%s", text)}
}

// input gives what was sent as one JSON object that has been checked. nil stands for
// a request that has none and needs none.
func input(w http.ResponseWriter, r *http.Request, o operation) ([]byte, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return query(r, o)
	}
	if len(r.Header["Content-Encoding"]) > 0 {
		return nil, refusef(http.StatusUnsupportedMediaType, "Compressed bodies are not taken. Send the body without Content-Encoding.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, refusef(http.StatusRequestEntityTooLarge, "The body is larger than 1 MiB. Send less.")
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "The body did not arrive whole. Send the request again.")
	}
	if o.input == nil && len(body) == 0 {
		return nil, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, refusef(http.StatusUnsupportedMediaType, "The body must be JSON. Send Content-Type: application/json.")
	}
	if err := jsonscan.Check(body); err != nil {
		bad, _ := errors.AsType[*jsonscan.Error](err)
		return nil, fault.Wrap(err, fault.Invalid, "The body is not JSON that can be used: %s at byte %d. Correct it.", bad.Reason, bad.Offset)
	}
	if bytes.Contains(body, []byte(`\u0000`)) { // PostgreSQL has no place for it, and nothing here a use
		return nil, fault.New(fault.Invalid, "The body has a NUL character. Remove it.")
	}
	if o.input == nil && !isEmptyObject(body) {
		return nil, fault.New(fault.Invalid, "This takes no body. Leave it out.")
	}
	return body, nil
}

// isEmptyObject tells it of JSON that has been checked.
func isEmptyObject(body []byte) bool {
	for range jsonscan.Members(body) {
		return false
	}
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
}

// query makes the parameters of a query into an object of strings. A filter that
// does not exist is refused: ignoring it would show more than was asked for.
func query(r *http.Request, o operation) ([]byte, error) {
	if o.input == nil {
		return nil, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Invalid, "The query cannot be read. Send it URL-encoded.")
	}
	object := map[string]string{}
	for name, list := range values {
		if len(list) > 1 {
			return nil, fault.New(fault.Invalid, "The parameter %q is sent more than once. Send each once.", name)
		}
		if strings.Contains(list[0], "\x00") || !utf8.ValidString(name+list[0]) {
			return nil, fault.New(fault.Invalid, "A parameter has a character that no text has. Remove it.")
		}
		object[name] = list[0]
	}
	return json.Marshal(object)
}

// decode fits an object that has been checked into a struct.
func decode(s *shape.Shape, raw []byte, into any) error {
	issues, err := s.Decode(raw, false, into)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "The body does not fit. Compare it with /openapi.json.")
	}
	if len(issues) == 0 {
		return nil
	}
	lines := make([]string, len(issues))
	for i, one := range issues {
		lines[i] = one.String()
		switch {
		case one.Kind == shape.IssueUnknown:
			lines[i] = fmt.Sprintf("%s: unknown; known are %s", one.Path, one.Expected)
		case one.Path == "":
			lines[i] = "the body: expected an object"
		}
	}
	slices.Sort(lines)
	return fault.New(fault.Invalid, "What was sent does not fit: %s. Correct it; /openapi.json has what fits.", strings.Join(lines, "; "))
}

// problem is the body of every error.
type problem struct {
	Error   string `json:"error" jsonschema:"What kind of thing went wrong, for programs." enum:"invalid,unauthenticated,forbidden,not_found,conflict,limited,upstream,unavailable,timeout,internal"`
	Message string `json:"message" jsonschema:"What happened and what to do next, for people."`
}

// refuse answers with an error, and logs what the caller may not see.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code := fault.CodeOf(err)
	status := fault.Status(code)
	if own, ok := errors.AsType[*refusal](err); ok {
		status = own.status
	}
	if status >= http.StatusInternalServerError {
		a.log.Error("admin request failed", "method", r.Method, "path", secret.MaskTokens(r.URL.Path), "error", err)
	}
	if code == fault.Unavailable {
		w.Header().Set("Retry-After", "5")
	}
	write(w, status, problem{string(code), secret.MaskTokens(fault.PublicOf(err))})
}

// write answers with JSON that nobody may keep.
func write(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}

// bounded is the first items of a list, and how many are left out.
func bounded[T, J any](list []T, show func(T) J) (shown []J, leftOut int) {
	n := min(len(list), maxList)
	shown = make([]J, n)
	for i := range n {
		shown[i] = show(list[i])
	}
	return shown, len(list) - n
}
