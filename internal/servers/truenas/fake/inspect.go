package fake

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/wire"
)

// Request is a call that arrived, with what came of it.
type Request struct {
	Method string
	Params string // as JSON
	ID     any
	User   string // who called, "" before login
	API    string // the version of the path it came over
	At     time.Time
	Code   int    // of the error, 0 for none
	Reason string // of the error
	Job    int    // the job it started
	Done   bool   // it was carried out, well or not
	Lost   bool   // its answer did not leave
}

// record notes a call, and where in the log that is.
func (s *Server) record(c *session, r wire.Request) int {
	params, _ := json.Marshal(r.Params) // came as JSON
	user := ""
	if c.who != nil {
		user = c.who.Account.Name
	}
	return s.log.Add(Request{Method: r.Method, Params: string(params), ID: r.ID, User: user, API: c.path, At: s.clock.Now()})
}

func (s *Server) note(entry int, j *jobs.Job, err error) {
	e := s.log.At(entry)
	e.Done = true
	if j != nil {
		e.Job = j.ID
	}
	if err != nil {
		f := fail.Of(err)
		e.Code, e.Reason = f.Object()["code"].(int), f.Reason
	}
}

// Requests are all calls that arrived, oldest first.
func (s *Server) Requests() []Request { return s.log.All() }

// Called is how often a method was called.
func (s *Server) Called(method string) int {
	return s.log.Count(func(r Request) bool { return r.Method == method })
}

// Frames are all messages that arrived, as they were.
func (s *Server) Frames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frames)
}

// Connections are those open now.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Subscriptions are the names listened to now.
func (s *Server) Subscriptions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, c := range s.sessions {
		for _, sub := range c.subs {
			out = append(out, sub.name)
		}
	}
	slices.Sort(out)
	return out
}

// With hands the state to do, which may look at it and change it, as somebody else at the
// system would. Events go out for what Tell names.
func (s *Server) With(do func(n *Seed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.nas)
}

// Tell sends an event, as the system does when something happens.
func (s *Server) Tell(kind, collection string, id any, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emit(kind, collection, id, fields)
}

// Log adds a line to the log of an app's container, and sends it to who follows it.
func (s *Server) Log(app, service, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.nas.App(app)
	if a == nil {
		return
	}
	for _, k := range a.Containers {
		if k.Service != service {
			continue
		}
		k.Logs = append(k.Logs, line)
		for _, c := range s.sessions {
			for _, sub := range c.subs {
				if sub.app == app && sub.where == k.ID {
					c.logLine(sub, line)
				}
			}
		}
	}
}

// KeyRevoked is why a key was revoked, "" for a good one.
func (s *Server) KeyRevoked(id int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.book.KeyOf(id); k != nil {
		return k.Revoked
	}
	return ""
}

// Jobs are all that the system knows, as they are now.
func (s *Server) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Job
	for _, j := range s.jobs.All() {
		out = append(out, *j)
	}
	return out
}

// JobTakes sets how long jobs of a method run from now on; "" for all that have no time of
// their own.
func (s *Server) JobTakes(method string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.jobTime)
	next[method] = d
	s.jobTime = next
}

// Break adds a fault. Of several that fit a call the first one added acts.
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

// Advance moves the clock of a server that has one of its own.
func (s *Server) Advance(d time.Duration) { s.clock.Advance(d) }

// Restart ends all connections with code 1001, and begins anew.
func (s *Server) Restart(r Restart) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restart(r)
}

// Up ends a restart that stays down.
func (s *Server) Up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}
