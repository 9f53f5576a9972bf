package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/fault"
)

// Request is one call of a target's API.
type Request struct {
	Method string // "" is GET
	// Path is escaped (see Path) and appended to the target's.
	Path   string
	Query  url.Values
	Header http.Header // with the credential; never logged

	JSON any // sent as the body where not nil
	// Body is sent where JSON is nil; Type is its Content-Type.
	Body io.Reader
	Type string

	// Into receives the answer's JSON. nil leaves the body as it is.
	Into any
	// What names what the call was about, for a 404: "issue 5 of acme/site".
	What string
}

// Answer is what a target said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Path joins the elements of a path, each escaped.
func Path(elements ...string) string {
	var b strings.Builder
	for _, e := range elements {
		if e == "." || e == ".." { // PathEscape leaves them, and they would lead elsewhere
			e = strings.ReplaceAll(e, ".", "%2E")
			b.WriteString("/" + e)
			continue
		}
		b.WriteString("/" + url.PathEscape(e))
	}
	return b.String()
}

// Call sends a request and reads its answer. Anything but a status of 200 to 299
// is a fault (see StatusOf), and so is an answer that is not the JSON asked for.
func (c *Client) Call(ctx context.Context, r Request) (Answer, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, c.failed(ctx, err)
	}
	a := Answer{resp.StatusCode, resp.Header, content}
	if a.Status < 200 || a.Status > 299 {
		return a, c.Refusal(a, r.What)
	}
	if r.Into == nil {
		return a, nil
	}
	if err := json.Unmarshal(content, r.Into); err != nil {
		return a, fault.Wrap(errGarbage, fault.Upstream, "%s sent an answer that is not the JSON its API describes. Check that the URL leads to its API and not to a login page or a proxy.", c.target.Name)
	}
	return a, nil
}

// errGarbage takes the place of the decoder's error, which quotes the body.
var errGarbage = errors.New("the body is not the JSON asked for")

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	body := r.Body
	if r.JSON != nil {
		b, err := json.Marshal(r.JSON)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body, r.Type = bytes.NewReader(b), "application/json"
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	target := c.base.Scheme + "://" + c.base.Host + c.base.EscapedPath() + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, errors.New("make request: the path or the method cannot be used") // the cause has the URL
	}
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if r.Into != nil && req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	if r.Type != "" {
		req.Header.Set("Content-Type", r.Type)
	}
	return req, nil
}

// StatusError is the cause in the fault of an answer that is no success. Body is
// for a client that understands its system's errors; it is not in the text,
// because nobody knows what it repeats.
type StatusError struct {
	Status int
	Header http.Header
	Body   []byte
}

func (e *StatusError) Error() string { return "status " + strconv.Itoa(e.Status) }

// StatusOf is the status in err's chain, or 0 where no answer came.
func StatusOf(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Status
	}
	return 0
}

// Refusal is the fault of an answer that is no success. what names what the call
// was about; it may be empty.
func (c *Client) Refusal(a Answer, what string) error {
	if what == "" {
		what = "what was asked for"
	}
	name, cause := c.target.Name, &StatusError{a.Status, a.Header, a.Body}
	switch s := a.Status; {
	case s == http.StatusBadRequest, s == http.StatusUnprocessableEntity:
		return fault.Wrap(cause, fault.Invalid, "%s cannot use the values of this call (%d). Check the arguments against what is there, and call again.", name, s)
	case s == http.StatusUnauthorized:
		return fault.Wrap(cause, fault.Forbidden, "%s does not accept the credential (401). %s", name, c.renew())
	case s == http.StatusForbidden:
		return fault.Wrap(cause, fault.Forbidden, "%s does not allow this with the credential it was given (403). Use one with more rights, or do something else. %s", name, c.renew())
	case s == http.StatusNotFound, s == http.StatusGone:
		return fault.Wrap(cause, fault.NotFound, "%s does not have %s, or hides it from this credential (%d). Check the name with a list or a search.", name, what, s)
	case s == http.StatusConflict:
		return fault.Wrap(cause, fault.Conflict, "%s says that %s is in a state that forbids this (409). Read it again and decide from there.", name, what)
	case s == http.StatusPreconditionFailed:
		return fault.Wrap(cause, fault.Conflict, "%s says that %s has changed since it was read (412). Read it again and repeat the change on what is there now.", name, what)
	case s == http.StatusRequestEntityTooLarge:
		return fault.Wrap(cause, fault.Limited, "%s takes no request as large as this (413). Send less at once.", name)
	case s == http.StatusTooManyRequests:
		return fault.Wrap(cause, fault.Limited, "%s asks to be called less often (429). %s", name, again(a.Header))
	case s == http.StatusServiceUnavailable:
		return fault.Wrap(cause, fault.Unavailable, "%s is not available (503). %s", name, again(a.Header))
	case s >= 500:
		return fault.Wrap(cause, fault.Upstream, "%s failed by a mistake of its own (%d). If the call changes something, look whether it has happened before you repeat it.", name, s)
	case s >= 300 && s < 400:
		return fault.Wrap(cause, fault.Upstream, "%s redirected the call (%d), which is not followed. The operator can set the URL to where it really is.", name, s)
	}
	return fault.Wrap(cause, fault.Upstream, "%s refused the call (%d). Check what it says in its own log.", name, a.Status)
}

func (c *Client) renew() string {
	if c.target.Renew != "" {
		return c.target.Renew
	}
	return "The operator can set another credential."
}

// longestWait bounds what is believed of Retry-After.
const longestWait = 24 * time.Hour

// again reads Retry-After (RFC 9110, 10.2.3): seconds, or a date, of which the
// text repeats nothing that was not parsed.
func again(h http.Header) string {
	value := h.Get("Retry-After")
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= int(longestWait.Seconds()) {
		return fmt.Sprintf("Try again after %d seconds.", n)
	}
	if at, err := http.ParseTime(value); err == nil {
		return "Try again after " + at.UTC().Format(time.RFC3339) + "."
	}
	return "Try again in a minute."
}
