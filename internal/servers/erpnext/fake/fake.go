// Package fake is a Frappe site with ERPNext on it that lives in memory: the REST API v1
// and v2, documents with their life cycle, permissions, workflows, reports, files, stock
// and ledgers, as far as our ERPNext server uses them, with state behind it, so that what
// a request changed the next one sees.
//
// It is strict where the real one is strict: timestamps of what was read, links,
// mandatory fields, docstatus, roles and user permissions, who hangs on whom. And it is
// as odd as the real one: errors in two envelopes, messages encoded twice, numbers with a
// point, nulls left out in v1, unknown fields lost without a word, a query that is not
// looked at once the body is JSON, a GET that changes nothing whatever it says.
//
// Shapes and texts come from three places, named at each: "ref 2.1" (our collected facts
// about business servers, that section), a file of frappe/frappe or frappe/erpnext by its
// path, or the doctype files there for fieldnames and labels.
//
// Tests mount a Server with httptest or Start it.
package fake

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"drawbridge/internal/servers/erpnext/fake/api"
	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/seed"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
	"drawbridge/internal/servers/kittest/upstreamtest"
)

// Profile is which version the fake passes for.
type Profile int

// Versions 15 and 16 are the ones our server is for. 14 has no API v2.
const (
	V15 Profile = iota
	V16
	V14
)

func (p Profile) major() int { return map[Profile]int{V14: 14, V15: 15, V16: 16}[p] }

// Seed is what a server starts with, User somebody in it, Obj a document.
type (
	Seed = seed.Seed
	User = site.User
	Obj  = site.Obj
)

// People and companies of Example. The key of sales@example.com is "saleskey", its secret
// "saleskey-secret", and so on: see Auth.
const (
	Administrator = seed.Administrator
	Owner         = seed.Owner
	Sales         = seed.Sales
	Manager       = seed.Manager
	Accounts      = seed.Accounts
	Buyer         = seed.Buyer
	Stock         = seed.Stock
	Branch        = seed.Branch
	Portal        = seed.Portal
	Left          = seed.Left
	Company       = seed.Company
	OtherCompany  = seed.OtherCompany
)

// Example is the seed that a server without one has.
func Example() *Seed { return seed.Example() }

// RateLimit is a site's rate_limit: so many seconds of the server's time in each window.
// Each request takes Cost of it.
type RateLimit struct {
	Limit, Window time.Duration
	Cost          time.Duration
}

// Options differ between servers. The zero value is version 15 with Example in it.
type Options struct {
	Profile        Profile
	Seed           *Seed         // nil for Example()
	HideTracebacks bool          // System Settings, allow_error_traceback off
	RateLimit      RateLimit     // the zero value is none
	MaxFile        int           // bytes of an upload; 0 for 25 MB
	PrepareFor     time.Duration // how long a prepared report takes
}

// Server is one instance.
type Server struct {
	opts  Options
	clock *upstreamtest.Clock // goes on by a millisecond with each look
	front upstreamtest.Front

	mu       sync.Mutex // guards what follows, the site and the API in it
	site     *site.Site
	api      *api.API
	faults   upstreamtest.Faults
	requests *upstreamtest.Log[Request]
	stopped  bool // maintenance mode
	readOnly bool // maintenance mode with allow_reads_during_maintenance
	window   int64
	spent    time.Duration
}

// Request is one that arrived, with what came of it.
type Request struct {
	Method, Path, Query string
	User                string // who it was for, "Guest" for a stranger
	Kind                string // content type
	Body                string // as sent
	Status              int    // 0: the connection was dropped
	Done                bool   // it reached its handler
}

// maxBody is more than any request here needs.
const maxBody = 64 << 20

// New makes a server. A seed that contradicts itself is an error of the test that wrote
// it, so it is reported and nothing is served.
func New(o Options) (*Server, error) {
	s := &Server{opts: o, api: api.New(), clock: upstreamtest.SteppingClock(time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC), time.Millisecond)}
	s.requests = upstreamtest.NewLog[Request](&s.mu)
	if o.MaxFile > 0 {
		s.api.Office.MaxFile = o.MaxFile
	}
	s.api.Office.Prepared = o.PrepareFor
	start := o.Seed
	if start == nil {
		start = Example()
	}
	planted, err := seed.Plant(start, o.Profile.major(), s.clock.Now)
	if err != nil {
		return nil, fmt.Errorf("plant seed: %w", err)
	}
	s.site = planted
	return s, nil
}

// Start serves on loopback until Close.
func (s *Server) Start() *Server {
	if err := s.Listen(context.Background(), upstreamtest.Loopback); err != nil {
		panic(err) // a machine without a port
	}
	return s
}

// Listen serves on an address until Close.
func (s *Server) Listen(ctx context.Context, addr string) error {
	return s.front.Open(ctx, addr, s, nil)
}

// URL is where a started server is.
func (s *Server) URL() string { return s.front.URL() }

// Close ends a started server and its connections.
func (s *Server) Close() {
	if err := s.front.Close(); err != nil {
		panic(err) // nothing but Close ends it
	}
}

// ServeHTTP answers one request, or does with it what a fault says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil { // as werkzeug says it
		http.Error(w, "<!doctype html>\n<title>413 Request Entity Too Large</title>", http.StatusRequestEntityTooLarge)
		return
	}
	f, rep := s.take(r, body)
	if f == nil {
		rep.Write(w)
		return
	}
	f.Act(w, r, s.clock, rep.Write)
}

// take does all that needs the state. The answer is bytes by then, and the state free to
// change again.
func (s *Server) take(r *http.Request, body []byte) (*upstreamtest.Fault, wire.Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Kind: r.Header.Get("Content-Type"), Body: string(body), User: "Guest"}
	f := s.faults.For(r.Method, r.URL.Path)
	var rep wire.Reply
	if f == nil || !f.Before() {
		rep = s.serve(r, body, &rec)
	}
	rec.Status = rep.Status
	if f != nil && (f.Status != 0 || f.Drop || f.Silent) {
		rec.Status = f.Status
	}
	s.requests.Add(rec)
	return f, rep
}

// serve goes the way of application() in frappe/app.py: the request, who it is, what it
// does, and then commit or roll back. It is called with the lock held.
func (s *Server) serve(r *http.Request, body []byte, rec *Request) wire.Reply {
	c := &wire.Call{R: r, Body: body, Site: s.site, Trace: !s.opts.HideTracebacks}
	s.api.Office.Work(s.site)
	err := c.Begin()
	limit := s.limit(c)
	if s.stopped {
		err = exc.Raise(exc.Stopped, "Session Stopped")
	}
	if err == nil {
		err = limit
	}
	if err == nil && s.readOnly && api.Commits(r.Method) {
		err = exc.Raise(exc.ReadOnly, "")
	}
	if err == nil {
		err = c.Authenticate(s.api.Sessions)
	}
	rec.User = c.SS.User.Name
	if err == nil {
		rec.Done = true
		err = s.api.Serve(c)
	}
	if err != nil || !api.Commits(r.Method) {
		s.site.Rollback()
	}
	s.site.Commit()
	if err != nil {
		return c.Fail(err)
	}
	return c.Finish()
}

// limit is frappe/rate_limiter.py: microseconds of the server's time per window, and the
// headers that tell of it (ref 2.1).
func (s *Server) limit(c *wire.Call) error {
	l := s.opts.RateLimit
	if l.Window == 0 {
		return nil
	}
	now := s.site.Now().Unix()
	seconds := int64(l.Window / time.Second)
	if w := now / seconds; w != s.window {
		s.window, s.spent = w, 0
	}
	reset := fmt.Sprint(seconds - now%seconds)
	c.Header.Set("X-RateLimit-Limit", fmt.Sprint(l.Limit.Microseconds()))
	c.Header.Set("X-RateLimit-Remaining", fmt.Sprint(max(0, (l.Limit-s.spent).Microseconds())))
	c.Header.Set("X-RateLimit-Reset", reset)
	if s.spent > l.Limit {
		c.Header.Set("Retry-After", reset)
		return exc.Raise(exc.TooMany, "")
	}
	s.spent += l.Cost
	c.Header.Set("X-RateLimit-Used", fmt.Sprint(l.Cost.Microseconds()))
	return nil
}

// Requests are all that arrived, oldest first.
func (s *Server) Requests() []Request { return s.requests.All() }
