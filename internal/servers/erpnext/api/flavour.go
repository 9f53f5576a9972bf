package api

import (
	"context"
	"net/http"
	"strings"

	"drawbridge/internal/servers/kit"
)

// Flavour is a version of the API.
type Flavour int

// The versions. Version 2 is there from Frappe 15 on; version 1 everywhere.
const (
	V1 Flavour = 1
	V2 Flavour = 2
)

// Flavour asks once which version the site has. The answer is kept for the life of the
// client, an error is not.
func (s Session) Flavour(ctx context.Context) (Flavour, error) {
	if f := s.client.flavour.Load(); f != nil {
		return *f, nil
	}
	var pong envelope[string]
	err := s.get(ctx, "/api/v2/method/ping", nil, &pong, "version 2 of its API")
	found := V2
	switch status := kit.StatusOf(err); {
	case err == nil && pong.value() == "pong":
	case err == nil, status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusExpectationFailed, status == http.StatusBadRequest:
		found = V1
	default: // a wrong key, or a site that is down, says nothing of versions
		return 0, err
	}
	s.client.flavour.Store(&found)
	return found, nil
}

// at is the version by which a document of a name is spoken of. Version 2 would take
// what follows a slash for a part of its own routes (NAME/method/submit, NAME/copy), so
// such names go by version 1, which takes everything for the name.
func (f Flavour) at(name string) Flavour {
	if strings.Contains(name, "/") {
		return V1
	}
	return f
}

// document is the path of a DocType, or of a document of it.
func (f Flavour) document(doctype string, name ...string) string {
	if f == V1 {
		return "/api/resource" + kit.Path(append([]string{doctype}, name...)...)
	}
	path := "/api/v2/document" + kit.Path(append([]string{doctype}, name...)...)
	if len(name) > 0 {
		path += "/" // as its routes have it
	}
	return path
}

// method is the path of a whitelisted function.
func (f Flavour) method(dotted string) string {
	if f == V1 {
		return "/api/method" + kit.Path(dotted)
	}
	return "/api/v2/method" + kit.Path(dotted)
}

// patch is the HTTP method of a partial change.
func (f Flavour) patch() string {
	if f == V1 {
		return http.MethodPut
	}
	return http.MethodPatch
}

// envelope is what an answer stands in: data for documents and in version 2, message
// for functions in version 1, results in searches of old versions. None of them is
// there where a function returned nothing.
type envelope[T any] struct {
	Data    *T `json:"data"`
	Message *T `json:"message"`
	Results *T `json:"results"`
}

func (e envelope[T]) value() (v T) {
	for _, p := range []*T{e.Data, e.Message, e.Results} {
		if p != nil {
			return *p
		}
	}
	return v
}
