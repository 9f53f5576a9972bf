package streamable

import (
	"net/http"
	"strings"
)

// accepts tells whether the client takes a media type, "application/json" or
// "text/event-stream". No Accept header at all accepts everything, and so do
// wildcards: claude.ai was seen to send */* alone.
func accepts(h http.Header, want string) bool {
	values := h["Accept"]
	if len(values) == 0 {
		return true
	}
	major, _, _ := strings.Cut(want, "/")
	for _, v := range values {
		for v != "" {
			var one string
			one, v, _ = strings.Cut(v, ",")
			one, params, _ := strings.Cut(one, ";")
			one = strings.TrimSpace(one)
			fits := strings.EqualFold(one, want) || one == "*/*" ||
				len(one) == len(major)+2 && strings.HasSuffix(one, "/*") && strings.EqualFold(one[:len(major)], major)
			if fits && !refused(params) {
				return true
			}
		}
	}
	return false
}

// prefersStream tells a client that names the event stream before JSON: it gets
// one even where the answer is there at once. Most clients name JSON first.
func prefersStream(h http.Header) bool {
	v := h["Accept"]
	return len(v) == 1 && len(v[0]) >= len("text/event-stream") && strings.EqualFold(v[0][:len("text/event-stream")], "text/event-stream")
}

// refused tells a quality of zero.
func refused(params string) bool {
	if params == "" {
		return false
	}
	_, q, ok := strings.Cut(strings.ReplaceAll(params, " ", ""), "q=")
	return ok && strings.Trim(q, "0.") == ""
}
