package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"
)

// Params are the parameters of an OAuth request, each of which may occur once
// (OAuth 2.1, 3.1 and 3.2). Unknown ones are kept and ignored.
type Params struct{ values url.Values }

const (
	maxParams = 64
	maxForm   = 64 << 10
)

// Get is a parameter's value; "" is the same as none.
func (p Params) Get(name string) string { return p.values.Get(name) }

// Has tells whether a parameter was sent with a value.
func (p Params) Has(name string) bool { return p.values.Get(name) != "" }

// All are the values of a parameter that may be repeated: resource (RFC 8707). Again
// "" is the same as none.
func (p Params) All(name string) []string {
	return slices.DeleteFunc(slices.Clone(p.values[name]), func(v string) bool { return v == "" })
}

// ParseParams reads a query or a form body.
func ParseParams(raw string) (Params, *Error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Params{}, Errorf("invalid_request", "The parameters cannot be read. Send them form-encoded.")
	}
	if len(values) > maxParams {
		return Params{}, Errorf("invalid_request", "There are more than %d parameters. Send fewer.", maxParams)
	}
	for name, v := range values {
		if len(v) > 1 && name != "resource" || len(v) > 8 {
			return Params{}, Errorf("invalid_request", "A parameter is sent more than once. Send each once.")
		}
		for _, one := range v {
			if !utf8.ValidString(one) || !utf8.ValidString(name) {
				return Params{}, Errorf("invalid_request", "A parameter is not UTF-8. Encode it as UTF-8.")
			}
		}
	}
	return Params{values}, nil
}

// ReadForm reads the body of a POST. Parameters in the query of the URL do not
// count, so that no secret has to be looked for there.
func ReadForm(w http.ResponseWriter, r *http.Request) (Params, *Error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return Params{}, Errorf("invalid_request", "The body must be a form. Send Content-Type: application/x-www-form-urlencoded.")
	}
	if len(r.Header["Content-Encoding"]) > 0 {
		return Params{}, &Error{Word: "invalid_request", Status: http.StatusUnsupportedMediaType, Public: "Compressed bodies are not taken. Send the body without Content-Encoding."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return Params{}, &Error{Word: "invalid_request", Status: http.StatusRequestEntityTooLarge, Public: "The body is too large. Send less."}
	}
	if err != nil {
		return Params{}, Errorf("invalid_request", "The body did not arrive whole. Send the request again.")
	}
	return ParseParams(string(body))
}
