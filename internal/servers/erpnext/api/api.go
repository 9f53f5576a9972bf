// Package api speaks the REST API of a Frappe site with ERPNext: documents, methods,
// meta data, reports and files, in version 1 of the API and in version 2, and nothing
// of MCP.
//
// A Client belongs to one site; As makes a Session with somebody's key. Which version
// there is is asked once (Flavour). Whatever changes something is sent once: an answer
// that was lost is an error that says so and how to find out (undetermined). Errors of
// the site come as a Refusal in the chain, in either version's shape; its words are
// the site's and stand in no public text of this package.
//
// The tools of package erpnext call it.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
)

// Client speaks to one site. Safe for concurrent use.
type Client struct {
	up      *kit.Upstream // answers that are JSON
	files   *kit.Upstream // files, which may be larger
	flavour atomic.Pointer[Flavour]
}

// New makes a client. Both lead to the root of the site.
func New(up, files *kit.Upstream) *Client { return &Client{up: up, files: files} }

// Base is the root of a site, whatever page of it the operator named.
func Base(site string) string {
	site = strings.TrimSuffix(strings.TrimSpace(site), "/")
	for _, page := range []string{"/api", "/app", "/desk"} {
		site = strings.TrimSuffix(site, page)
	}
	return site
}

// Session is the site as the owner of a key sees it.
type Session struct {
	client      *Client
	key, secret secret.String
}

// As makes a session.
func (c *Client) As(key, secret secret.String) Session { return Session{c, key, secret} }

// headers are those of every request, with the credential.
func (s Session) headers() http.Header {
	token := "token " + s.key.Reveal() + ":" + s.secret.Reveal()
	return http.Header{"Authorization": {token}, "Accept": {"application/json"}}
}

// call sends a request with the session's key.
func (s Session) call(ctx context.Context, req kit.Request) (kit.Answer, error) {
	into := req.Into
	req.Into, req.Header = nil, s.headers()
	a, err := s.client.up.Call(ctx, req)
	if err != nil {
		return a, refine(err)
	}
	if into == nil {
		return a, nil
	}
	if !isJSON(a) { // a login page, or one of a proxy
		return a, garbage()
	}
	dec := json.NewDecoder(bytes.NewReader(a.Body))
	dec.UseNumber() // amounts go back as they came
	if err := dec.Decode(into); err != nil {
		return a, garbage()
	}
	return a, nil
}

func isJSON(a kit.Answer) bool {
	return strings.HasPrefix(a.Header.Get("Content-Type"), "application/json")
}

// garbage takes the place of a decoder's error, which quotes the body.
func garbage() error {
	return fault.New(fault.Upstream, "ERPNext sent an answer that is not what its API describes. Check that ERPNEXT_URL leads to the site itself and not to a login page or a proxy.")
}

// get reads.
func (s Session) get(ctx context.Context, path string, q url.Values, into any, what string) error {
	_, err := s.call(ctx, kit.Request{Path: path, Query: q, Into: into, What: what})
	return err
}

// change sends what changes something. lookup says how to find out what became of it.
func (s Session) change(ctx context.Context, req kit.Request, lookup string) error {
	_, err := s.call(ctx, req)
	return undetermined(err, lookup)
}

// encoded is a value as the JSON text that many parameters are.
func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // what came as JSON goes back as JSON
	}
	return string(b)
}
