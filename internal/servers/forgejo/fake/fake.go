// Package fake is a Forgejo or Gitea that lives in memory: the part of the REST API
// that our Forgejo server uses, with state behind it, so that what a request changed
// the next one sees.
//
// It is strict where the real ones are strict: scopes of tokens, private repositories
// that answer 404, preconditions by sha, protected branches, merge conflicts, required
// fields. And it is as odd as they are: page sizes are capped in silence, unknown JSON
// members and unknown label ids are ignored, PATCH answers 201, a merge answers
// nothing. A member of a body that the API does not know is recorded in the Request
// that sent it. Where merging is concerned it is stricter than git: two sides that both
// changed a file always conflict.
//
// Shapes and texts come from three places, named at each as "ref 4.2" (our collected
// facts about infrastructure servers, that section), "swagger X" (the definition X of
// the API document that Forgejo and Gitea publish under a licence for this purpose), or
// "Gitea 1.26"/"Forgejo" where behaviour was read off that version. Neither program
// limits its own API; a 429 comes from a proxy in front, here from a Fault.
//
// Tests mount a Server with httptest; Run serves one alone for trying things by hand.
package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"drawbridge/internal/servers/forgejo/fake/code"
	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/tracker"
	"drawbridge/internal/servers/kittest/upstreamtest"
)

// Profile is which program, in which version, the fake passes for.
type Profile = exchange.Profile

// The versions that our server has adapters for.
const (
	Forgejo15 = exchange.Forgejo15
	Forgejo16 = exchange.Forgejo16
	Gitea126  = exchange.Gitea126
)

// What a server starts with.
type (
	Seed       = forge.Seed
	SeedUser   = forge.SeedUser
	SeedToken  = forge.SeedToken
	SeedRepo   = forge.SeedRepo
	SeedCommit = forge.SeedCommit
	SeedIssue  = forge.SeedIssue
	SeedRun    = forge.SeedRun
	SeedJob    = forge.SeedJob
	Protection = forge.Protection
)

// Tokens and the password of the users in Example.
const (
	AdaToken  = forge.AdaToken
	BenToken  = forge.BenToken
	EveToken  = forge.EveToken
	ReadToken = forge.ReadToken
	Password  = forge.Password
)

// Example is the seed that a server without one has.
func Example() *Seed { return forge.Example() }

// Options differ between servers. The zero value is a Forgejo 15 with Example in it.
type Options struct {
	Profile  Profile
	Seed     *Seed            // nil for Example()
	MaxItems int              // cap of a page; 0 for the real default, 50
	Default  int              // size of a page that was not asked for; 0 for 30
	Checking int              // looks at a pull request that find it still being checked for conflicts
	Now      func() time.Time // nil for a clock that goes on by a second with each look
}

// Server is one instance.
type Server struct {
	profile             Profile
	clock               *upstreamtest.Clock // of what faults hold up; the forge has its own
	maxItems, pageItems int
	routes              []exchange.Route

	mu       sync.Mutex // guards what follows
	forge    *forge.Forge
	faults   upstreamtest.Faults
	requests []Request
}

// Request is one that arrived, with what came of it.
type Request struct {
	Method, Path, Query string
	User                string   // who it was for, "" for a stranger
	Body                string   // as sent
	Status              int      // 0: the connection was dropped
	Done                bool     // it reached its handler
	Ignored             []string // members of the body that the API does not know
}

// maxBody is more than any request here needs.
const maxBody = 32 << 20

// New makes a server. A seed that contradicts itself is an error of the test that
// wrote it, so it is reported and nothing is served.
func New(o Options) (*Server, error) {
	s := &Server{profile: o.Profile, clock: upstreamtest.NewClock(), maxItems: o.MaxItems, pageItems: o.Default}
	if s.maxItems == 0 {
		s.maxItems = 50
	}
	if s.pageItems == 0 {
		s.pageItems = min(30, s.maxItems)
	}
	now, seed := o.Now, o.Seed
	if now == nil {
		at := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
		now = func() time.Time { at = at.Add(time.Second); return at } // called with the lock held
	}
	if seed == nil {
		seed = Example()
	}
	f, err := forge.New(seed, now)
	if err != nil {
		return nil, fmt.Errorf("plant seed: %w", err)
	}
	f.Checking = o.Checking
	s.forge = f
	s.routes = append(tracker.Routes(o.Profile), code.Routes(o.Profile)...)
	return s, nil
}

// Run serves alone on addr until ctx ends, and calls ready with the URL.
func Run(ctx context.Context, addr string, o Options, ready func(url string)) error {
	s, err := New(o)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	ready("http://" + l.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }() // ended by Close, awaited below
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	err = srv.Close()
	if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// Fault is what goes wrong with some requests.
type Fault = upstreamtest.Fault

// Break adds a fault. Of several that match a request the first one added acts.
func (s *Server) Break(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.Add(f)
}

// Mend takes all faults away.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.Clear()
}

// TooMany, Garbage and BadGateway are the faults most often wanted.
func TooMany(times, seconds int) Fault { return upstreamtest.TooMany(times, seconds) }
func Garbage(times int) Fault          { return upstreamtest.Garbage(times) }
func BadGateway(times int) Fault       { return upstreamtest.BadGateway(times) }

// Requests are all that arrived, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers one request, or does with it what a fault says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
		return
	}
	f, rep := s.take(r, body)
	if f == nil {
		rep.Write(w, r)
		return
	}
	f.Act(w, r, s.clock, func(w http.ResponseWriter) { rep.Write(w, r) })
}

// take does all that needs the state. The answer is JSON by then, and the state free to
// change again.
func (s *Server) take(r *http.Request, body []byte) (*Fault, exchange.Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: string(body)}
	f := s.faults.For(r.Method, r.URL.Path)
	var rep exchange.Reply
	if f == nil || !f.Before() {
		rep = s.serve(r, body, &rec).Encoded()
	}
	rec.Status = rep.Status
	if f != nil && (f.Status != 0 || f.Drop) {
		rec.Status = f.Status
	}
	s.requests = append(s.requests, rec)
	return f, rep
}

// serve is called with the lock held.
func (s *Server) serve(r *http.Request, body []byte, rec *Request) exchange.Reply {
	rt, vars, other := exchange.Match(s.routes, r.Method, r.URL.EscapedPath())
	if rt == nil && other {
		return exchange.Empty(http.StatusMethodNotAllowed)
	}
	if rt == nil { // ref 4.2: unknown route, 404 in plain text
		return exchange.Reply{Status: http.StatusNotFound, Kind: exchange.PlainText, Raw: []byte("404 page not found\n")}
	}
	c := &exchange.Call{R: r, Vars: vars, Body: body, Base: "http://" + r.Host, Profile: s.profile, Forge: s.forge, MaxItems: s.maxItems, PageItems: s.pageItems}
	if rep := c.Admit(rt); rep != nil {
		rec.note(c)
		return *rep
	}
	rec.Done = true
	rep := rt.Serve(c)
	rec.note(c)
	return rep
}

func (r *Request) note(c *exchange.Call) {
	if c.User != nil {
		r.User = c.User.Login
	}
	r.Ignored = c.Ignored
}
