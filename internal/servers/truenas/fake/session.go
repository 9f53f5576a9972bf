package fake

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake/access"
	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/plan"
	"drawbridge/internal/servers/truenas/fake/wire"
)

// Calls that run at once on one connection, and that may be there at all: the rest waits
// (ref 2.2 "Wire": SoftHardSemaphore(10, 20)).
const (
	softCalls = 10
	hardCalls = 20
)

// session is one connection. The lock of its server guards it.
type session struct {
	srv     *Server
	conn    *wire.Conn
	api     Version
	path    string // the version as it stood there
	ip      string
	talk    access.Talk
	who     *access.Principal
	subs    map[string]*subscription
	running int
	waiting []func()
	legacy  bool // job methods answer with the id
	private bool
	python  bool
}

// rate counts calls of a method from an address (truenas/middleware utils/rate_limit/cache.py).
type rate struct {
	calls int
	reset time.Time
}

// LoggedIn implements wire.Handler.
func (c *session) LoggedIn() bool {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	return c.who != nil
}

// Frame implements wire.Handler.
func (c *session) Frame(text string) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.srv.frames = append(c.srv.frames, text)
}

// Request implements wire.Handler: a call runs, waits for its turn or is refused.
func (c *session) Request(r wire.Request) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	m := c.srv.method(r.Method, c.api)
	entry := c.srv.record(c, r)
	if m == nil {
		c.srv.log.At(entry).Code = fail.NoMethod
		c.conn.Send(wire.Failure(r.ID, fail.NoMethod, "Method does not exist"))
		return
	}
	if c.running+len(c.waiting) >= hardCalls {
		c.srv.log.At(entry).Code = fail.TooManyCalls
		c.conn.Send(wire.Failure(r.ID, fail.TooManyCalls, fmt.Sprintf("Maximum number of concurrent calls (%d) has exceeded", hardCalls)))
		return
	}
	run := func() { c.running++; c.run(m, r, entry) }
	if c.running >= softCalls {
		c.waiting = append(c.waiting, run)
		return
	}
	run()
}

// method finds the one of a name as an API version has it. An old version does not bring
// back what this release has no longer.
func (s *Server) method(name string, api Version) (found *call.Method) {
	here := false
	for _, m := range s.methods[name] {
		here = here || m.In(s.options.Version)
		if m.In(api) {
			found = m
		}
	}
	if !here {
		return nil
	}
	return found
}

// finished lets the next call in.
func (c *session) finished() {
	c.running--
	if len(c.waiting) > 0 && c.running < softCalls {
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		next()
	}
}

// run carries a call out, with what a fault does to it. It is called with the lock held.
func (c *session) run(m *call.Method, r wire.Request, entry int) {
	f := c.srv.faults.Call(r.Method)
	if f == nil {
		f = &plan.Fault{Late: true}
	}
	var result any
	var err error
	var job *jobs.Job
	if f.Late {
		result, job, err = c.invoke(m, r, f)
		c.srv.note(entry, job, err)
	}
	wait := f.Delay
	if err != nil && fail.Of(err).Errno == fail.EBUSY && strings.Contains(fail.Of(err).Reason, "Rate Limit") {
		wait += call.Seconds()
	}
	act := func() {
		c.answer(r, f, entry, result, job, err)
		c.finished()
		if job != nil {
			job.Start()
		}
	}
	if wait > 0 {
		c.srv.later(wait, act)
		return
	}
	act()
}

// answer sends a result, or what a fault leaves of it.
func (c *session) answer(r wire.Request, f *plan.Fault, entry int, result any, job *jobs.Job, err error) {
	switch {
	case f.Restart != nil:
		c.srv.log.At(entry).Lost = true
		c.srv.restart(*f.Restart)
	case f.Drop:
		c.srv.log.At(entry).Lost = true
		c.conn.Cut()
	case f.Close != 0:
		c.srv.log.At(entry).Lost = true
		c.conn.Close(websocket.StatusCode(f.Close), "")
	case f.Errno != 0:
		c.srv.log.At(entry).Code = fail.CallFailed
		c.conn.Send(wire.Answer(r.ID, nil, fail.Call(f.Errno, "%s", f.Reason)))
	case f.Raw != "":
		c.conn.Raw([]byte(f.Raw))
	case job != nil && err == nil && !c.legacy:
		job.Then(func() {
			var ended error
			if job.Fault != nil {
				ended = job.Fault
			} else if job.State == jobs.Aborted {
				ended = fail.Call(fail.EFAULT, "Job was aborted")
			}
			c.conn.Send(wire.Answer(r.ID, job.Result, ended))
		})
	default:
		text, _ := json.Marshal(wire.Answer(r.ID, result, err)) // made by ourselves
		if f.Garbled {
			text = text[:len(text)/2]
		}
		if n := f.Pad - len(text); n > 0 {
			text = append(text[:len(text)-1], `,"padding":"`+strings.Repeat("x", n)+`"}`...)
		}
		c.conn.Raw(text)
	}
}

// invoke checks who calls, and with what, and runs the method.
func (c *session) invoke(m *call.Method, r wire.Request, f *plan.Fault) (result any, job *jobs.Job, err error) {
	s := c.srv
	if err := c.authorize(m); err != nil {
		return nil, nil, err
	}
	args, err := model.Accept(m.Args, r.Params)
	if err != nil {
		return nil, nil, err
	}
	now := s.clock.Now()
	k := &call.Call{Method: m.Name, Args: args, API: c.api, Server: s.options.Version, NAS: s.nas, Book: s.book, Who: c.who, Session: c, Jobs: s.jobs, Now: now,
		Emit: s.emit, Later: func(d time.Duration, do func()) { s.later(d, do) }, Download: s.offer, Power: s.power}
	if m.Job == nil {
		result, err = m.Run(k)
		return result, nil, err
	}
	w, err := m.Job(k)
	if err != nil {
		return nil, nil, err
	}
	took, ok := s.jobTime[m.Name]
	if !ok {
		took = s.jobTime[""]
	}
	var fails error
	if f.JobFails != "" {
		fails = fail.Call(fail.EFAULT, "%s", f.JobFails)
	}
	owner := jobs.Owner{User: c.who.Account.Name, Kind: c.who.Kind, Data: c.who.Data(), Admin: c.who.Admin()}
	job = s.jobs.Add(m.Name, hidden(r.Params), r.ID, owner, w, took, fails)
	return job.ID, job, nil
}

// hidden are parameters as a job shows them, without what is secret.
func hidden(params []any) []any {
	out := slices.Clone(params)
	for i, p := range out {
		if m, is := p.(map[string]any); is {
			seen := map[string]any{}
			for k, v := range m {
				if slices.Contains([]string{"values", "passphrase", "key", "password", "custom_compose_config_string"}, k) {
					v = "********"
				}
				seen[k] = v
			}
			out[i] = seen
		}
	}
	if out == nil {
		return []any{}
	}
	return out
}

// authorize decides as Middleware.authorize_method_call does (truenas/middleware main.py).
func (c *session) authorize(m *call.Method) error {
	switch {
	case c.who != nil && (m.Free || m.Open || c.who.May(m.Roles)):
		return nil
	case c.who != nil:
		return fail.Call(fail.EACCES, "Not authorized")
	case !m.Free:
		return fail.Call(fail.ENOTAUTHENTICATED, "Not authenticated")
	case m.Often:
		return nil
	}
	return c.srv.limit(m.Name, c.ip)
}

// limit counts a call before login: 20 of a method and an address in a minute.
func (s *Server) limit(method, ip string) error {
	most := s.options.RateLimit
	if most < 0 {
		return nil
	}
	if most == 0 {
		most = 20
	}
	now := s.clock.Now()
	r := s.rates[method+" "+ip]
	if r == nil {
		r = &rate{reset: now}
		s.rates[method+" "+ip] = r
	}
	if now.Sub(r.reset) >= time.Minute {
		r.calls, r.reset = 0, now
	}
	if r.calls++; r.calls > most {
		return fail.Call(fail.EBUSY, "Rate Limit Exceeded")
	}
	return nil
}

// Enter implements call.Session.
func (c *session) Enter(p *access.Principal) { c.who = p }

// Leave implements call.Session.
func (c *session) Leave() { c.who = nil }

// Talk implements call.Session.
func (c *session) Talk() *access.Talk { return &c.talk }

// Options implements call.Session.
func (c *session) Options(set map[string]any) map[string]any {
	for name, to := range map[string]*bool{"legacy_jobs": &c.legacy, "private_methods": &c.private, "py_exceptions": &c.python} {
		if v, ok := set[name].(bool); ok {
			*to = v
		}
	}
	return map[string]any{"legacy_jobs": c.legacy, "private_methods": c.private, "py_exceptions": c.python}
}

// newID is a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
