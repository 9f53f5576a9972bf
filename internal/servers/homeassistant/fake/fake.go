// Package fake is a Home Assistant that lives in memory: the parts of its REST and
// WebSocket APIs that our Home Assistant server uses, with a house behind them, so that
// what a call changed the next one sees, and subscribers hear of.
//
// It is strict where the real one is: ids of commands that have to increase, members that
// a command does not know, services that want or do not want their response asked for,
// rights of users, limits of the connection. And it is as odd: a service called for an
// entity that is not there succeeds and only logs, REST hardly says what was wrong with a
// call, areas bring disabled entities along, a delete of an unknown automation is a 400.
//
// Shapes and words come from three places, named at each as "ref 1.2" (our collected facts
// about infrastructure servers, that section), "developer docs" and "developer blog" (what
// Home Assistant publishes for authors of clients), or a file of Home Assistant's core or
// frontend, whose behaviour was read and not copied.
//
// Tests mount a Server with httptest or Start it. Only one that was started can refuse
// connections during a restart.
package fake

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"drawbridge/internal/servers/homeassistant/fake/command"
	"drawbridge/internal/servers/homeassistant/fake/faults"
	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/rest"
	"drawbridge/internal/servers/homeassistant/fake/seed"
	"drawbridge/internal/servers/homeassistant/fake/service"
	"drawbridge/internal/servers/homeassistant/fake/socket"
	"drawbridge/internal/servers/kittest/upstreamtest"
)

// Profile is which version the fake passes for.
type Profile int

// The versions whose registries differ (developer blog, 2026-08-19).
const (
	V2026_9 Profile = iota // child devices, config/device_registry/remove
	V2026_8
)

// Version is what it calls itself.
func (p Profile) Version() string {
	if p == V2026_8 {
		return "2026.8.3"
	}
	return "2026.9.1"
}

// Seed fills a house.
type Seed func(*house.House)

// The two homes: some fifty entities, and 3,300.
var (
	Small Seed = seed.Small
	Large Seed = seed.Large
)

// Tokens of Ada, who may do all, Ben, who is no admin, and Eve, who only looks.
const (
	AdminToken = seed.AdminToken
	UserToken  = seed.UserToken
	GuestToken = seed.GuestToken
)

// Options differ between servers. The zero value is a 2026.9 with the small home.
type Options struct {
	Profile    Profile
	Seed       Seed          // nil for Small
	Lag        time.Duration // states follow the answers of calls this late
	BanAfter   int           // failed logins until an address is banned; 0 for never, the real default
	Restarting Restart       // how long the parts of a restart take that a call sets off
}

// Restart is how a restart goes on after the sockets were closed. Parts of no length are
// left out.
type Restart struct {
	Stopping time.Duration // HTTP answers 503
	Down     time.Duration // connections are refused
	Proxy    time.Duration // somebody in front answers 502
	Starting time.Duration // HTTP is back, the core not yet RUNNING, entities unavailable
}

// Server is one instance. The house's lock guards what follows it.
type Server struct {
	house    *house.House
	services *service.Set
	hub      *socket.Hub
	front    upstreamtest.Front

	options Options
	phase   Phase
	faults  faults.Plan
	calls   *upstreamtest.Log[Call]
	failed  map[string]int  // failed logins by address
	banned  map[string]bool // addresses
	before  map[string]house.State
}

// Call is one request or command that arrived.
type Call struct {
	Socket  int    // the connection of a command, from 1; 0 for a request
	Command string // its type
	Method  string // of a request
	Path    string // and query
	Body    string // as sent; of a command, as JSON again
	User    string // whose token it had, "" for a stranger
	Status  int    // of the answer to a request; 0 if the connection broke
	Code    string // of the error that a command got
	Done    bool   // it was carried out
}

// maxBody is aiohttp's limit as Home Assistant sets it (http/__init__.py).
const maxBody = 16 << 20

// New makes a server that does not listen.
func New(o Options) *Server {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		zone = time.UTC
	}
	h := house.New(upstreamtest.NewClock(), o.Profile.Version(), zone)
	h.Lag = o.Lag
	if o.Seed == nil {
		o.Seed = Small
	}
	o.Seed(h)
	s := &Server{house: h, options: o, calls: upstreamtest.NewLog[Call](h), failed: map[string]int{}, banned: map[string]bool{}}
	s.services = service.New(h)
	if len(h.States) >= seed.LargeStates {
		s.services.Pad(200) // get_services is some 260 KB on real instances (ref 1.2)
	}
	h.OnRestart = func() { s.house.Clock.After(stopDelay, func() { s.Restart(s.options.Restarting) }) }
	s.hub = socket.New(socket.Host{House: h, Services: s.services, Commands: command.All(h.Modern()), Faults: &s.faults, Record: s.recordCommand,
		Restart: h.OnRestart, Failed: s.loginFailed, Entered: func(remote string) { delete(s.failed, remote) },
		Up: func() bool { return s.phase == Running || s.phase == Starting }})
	return s
}

// stopDelay lets the answer of homeassistant.restart out ahead of the stop.
const stopDelay = 20 * time.Millisecond

// Start listens on a free port of this machine.
func (s *Server) Start(ctx context.Context) error { return s.Listen(ctx, upstreamtest.Loopback) }

// Listen listens on an address.
func (s *Server) Listen(ctx context.Context, addr string) error {
	return s.front.Open(ctx, addr, s, nil)
}

// URL is where it listens.
func (s *Server) URL() string { return s.front.URL() }

// Close ends all connections and whatever was to happen, and waits for both.
func (s *Server) Close() {
	s.house.Clock.Close()
	s.house.Lock()
	s.phase = Down // a connection that is being made is not kept
	s.house.Unlock()
	s.shut()
	s.hub.Break()
	s.hub.Wait()
	if err := s.front.Close(); err != nil { // for requests that are no connections of the hub's
		panic(err)
	}
}

// ServeHTTP answers one request, or does with it what a fault says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	remote, _, _ := net.SplitHostPort(r.RemoteAddr)
	if rep := s.admit(remote); rep != nil {
		if rep.Status == 0 {
			panic(http.ErrAbortHandler)
		}
		rep.Write(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "Maximum request body size 16777216 exceeded.", http.StatusRequestEntityTooLarge)
		return
	}
	f, rep := s.take(r, body, remote)
	answer := func(w http.ResponseWriter) {
		if r.URL.Path == "/api/websocket" && r.Method == http.MethodGet {
			s.hub.Serve(w, r, remote)
			return
		}
		rep.Write(w, r)
	}
	if f == nil {
		answer(w)
		return
	}
	f.HTTP().Act(w, r, s.house.Clock, answer)
}

// admit is what phases and bans say before anything is looked at.
func (s *Server) admit(remote string) *rest.Reply {
	s.house.Lock()
	defer s.house.Unlock()
	switch {
	case s.phase == Down:
		return &rest.Reply{}
	case s.phase == Proxy:
		down := upstreamtest.BadGateway(0)
		return &rest.Reply{Status: down.Status, Kind: "text/html", Body: []byte(down.Body)}
	case s.phase == Stopping: // helpers/http.py, is_stopping
		return &rest.Reply{Status: http.StatusServiceUnavailable}
	case s.banned[remote]: // http/ban.py
		rep := rest.Plain(http.StatusForbidden)
		return &rep
	}
	return nil
}

// take does all that needs the house. The answer is bytes by then.
func (s *Server) take(r *http.Request, body []byte, remote string) (*faults.Fault, rest.Reply) {
	s.house.Lock()
	defer s.house.Unlock()
	c := Call{Method: r.Method, Path: r.URL.RequestURI(), Body: string(body)}
	f := s.faults.ForRequest(r.Method, r.URL.Path)
	var rep rest.Reply
	if r.URL.Path != "/api/websocket" && (f == nil || f.Late) {
		var user *house.User
		if rep, user = rest.Serve(s.house, s.services, r, body); user != nil {
			c.User, c.Done = user.Name, rep.Status < 400
		}
		c.Status = rep.Status
		if rep.Refuse {
			s.loginFailed(remote)
		}
	}
	if f != nil && (f.Status != 0 || f.Drop || f.Silent) {
		c.Status = f.Status
	}
	if f != nil && f.Restart {
		s.house.OnRestart()
	}
	s.calls.Add(c)
	return f, rep
}

// loginFailed counts (http/ban.py, process_wrong_login). Called with the lock held.
func (s *Server) loginFailed(remote string) {
	if s.options.BanAfter < 1 {
		return
	}
	if s.failed[remote]++; s.failed[remote] >= s.options.BanAfter {
		s.banned[remote] = true
	}
}
