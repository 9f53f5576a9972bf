// Package api speaks the REST API of Forgejo 15 and 16 and of Gitea 1.26: typed
// calls with small structs, one file per noun, and nothing of MCP.
//
// A Client belongs to one installation; As makes a Session with somebody's token, In
// a Repo of it. Lists are read by Window over the installation's own page size,
// because it cuts larger pages without a word. Where the systems differ an adapter
// is chosen by the version that the installation tells. Errors are faults; what the
// installation wrote in them is recognised (refine) and never repeated.
//
// The tools of package forgejo call it. It repeats no request.
package api

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
)

// Window is the part of a list that is wanted.
type Window = kit.Window

// Client speaks to one installation. Safe for concurrent use.
type Client struct {
	up    *kit.Upstream
	about atomic.Pointer[About]
}

// New makes a client. up leads to the installation's /api/v1.
func New(up *kit.Upstream) *Client { return &Client{up: up} }

// Base is the URL of the API of an installation.
func Base(installation string) string {
	return strings.TrimSuffix(strings.TrimSuffix(installation, "/"), "/api/v1") + "/api/v1"
}

// Session is the installation as the owner of a token sees it.
type Session struct {
	client *Client
	token  secret.String
}

// As makes a session.
func (c *Client) As(token secret.String) Session { return Session{c, token} }

// Repo is a repository in a session.
type Repo struct {
	Session
	Owner, Name string
}

// In makes a Repo. Nothing is asked.
func (s Session) In(owner, name string) Repo { return Repo{s, owner, name} }

// String is owner/name.
func (r Repo) String() string { return r.Owner + "/" + r.Name }

// path is the path of something in the repository; each element is escaped.
func (r Repo) path(elements ...string) string {
	return kit.Path("repos", r.Owner, r.Name) + kit.Path(elements...)
}

// call sends a request with the session's token.
func (s Session) call(ctx context.Context, req kit.Request) (kit.Answer, error) {
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Authorization", "token "+s.token.Reveal())
	a, err := s.client.up.Call(ctx, req)
	if err == nil && strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") { // a login page, or a proxy's: nothing was done
		err = garbage()
	}
	return a, refine(err)
}

func (s Session) get(ctx context.Context, path string, q url.Values, into any, what string) error {
	_, err := s.call(ctx, kit.Request{Path: path, Query: q, Into: into, What: what})
	return err
}

// send is a call that changes something.
func (s Session) send(ctx context.Context, method, path string, body, into any, what string) error {
	_, err := s.call(ctx, kit.Request{Method: method, Path: path, JSON: body, Into: into, What: what})
	return err
}

// text reads an answer that is no JSON.
func (s Session) text(ctx context.Context, path, what string) (string, error) {
	a, err := s.call(ctx, kit.Request{Path: path, What: what})
	return string(a.Body), err
}

// list reads a window of a list that is a bare array.
func list[T any](ctx context.Context, s Session, w Window, path string, q url.Values, what string) ([]T, int, error) {
	return pages(ctx, s, w, func(ctx context.Context, page url.Values) (rows []T, total int, err error) {
		maps.Copy(page, q)
		a, err := s.call(ctx, kit.Request{Path: path, Query: page, Into: &rows, What: what})
		return rows, totalOf(a), err
	})
}

// totalOf is how many there are in all, or -1 where the answer does not tell.
func totalOf(a kit.Answer) int {
	if n, err := strconv.Atoi(a.Header.Get("X-Total-Count")); err == nil && n >= 0 {
		return n
	}
	return -1
}

// pages reads a window of a list page by page. fetch asks for one page and tells
// the total, or -1. The installation's cap on pages is respected, for it answers a
// larger limit with a shorter page and no error; an endpoint that knows no pages and
// gives everything is understood, too.
func pages[T any](ctx context.Context, s Session, w Window, fetch func(context.Context, url.Values) ([]T, int, error)) ([]T, int, error) {
	about, err := s.About(ctx)
	if err != nil {
		return nil, 0, err
	}
	size := about.PageSize
	if w.Limit < size && w.Offset%w.Limit == 0 {
		size = w.Limit
	}
	out, shorter := []T{}, 0
	for at := w.Offset; ; {
		number := at / size
		rows, total, err := fetch(ctx, url.Values{"page": {strconv.Itoa(number + 1)}, "limit": {strconv.Itoa(size)}})
		if err != nil {
			return nil, 0, err
		}
		if len(rows) > size { // everything at once
			return rows[min(w.Offset, len(rows)):min(w.Offset+w.Limit, len(rows))], len(rows), nil
		}
		if n := len(rows); n > 0 && n < size && total >= 0 && n != total-number*size && shorter < mostShorter {
			size, shorter = n, shorter+1 // a cap below what was asked, so that the page began elsewhere
			s.client.learn(n)
			continue
		}
		out = append(out, rows[min(at%size, len(rows)):]...)
		at = (number + 1) * size
		switch {
		case len(out) >= w.Limit, total >= 0 && at >= total, total < 0 && len(rows) < size, len(rows) == 0:
			return out[:min(len(out), w.Limit)], totalAfter(total, w.Offset+len(out), len(rows) == size), nil
		}
	}
}

// mostShorter is how often a short page is read as a cap. After that it is one from
// which something was left out.
const mostShorter = 2

// totalAfter is the total where the installation did not tell it: what was seen, and
// one more where the last page was full.
func totalAfter(told, seen int, more bool) int {
	switch {
	case told >= 0:
		return told
	case more:
		return seen + 1
	}
	return seen
}
