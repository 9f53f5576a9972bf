// Package plan is what may go wrong between a client and the fake. Only the fake uses it.
package plan

import (
	"path"
	"time"

	"drawbridge/internal/servers/kittest/upstreamtest"
)

// Fault is what goes wrong with some calls (ref 2.3, 5). One that says nothing but Delay
// is a slow answer to what was carried out at once.
type Fault struct {
	Method string // of JSON-RPC, may have a * in it; "" for any
	Path   string // of HTTP requests instead, the opening of a WebSocket included
	Skip   int    // so many matching ones pass first
	Times  int    // how often it happens; 0 for ever

	Late  bool          // the call is carried out first: only its answer suffers
	Delay time.Duration // before the answer, or what there is instead of it

	Drop    bool     // the connection is cut, without a close frame
	Close   int      // the connection is closed, with this code
	Restart *Restart // the system restarts
	Errno   int      // a CallError is answered, with this number
	Reason  string   // and these words
	Raw     string   // answered instead, as it is
	Pad     int      // the answer is blown up to so many bytes
	Garbled bool     // the answer is cut in the middle

	JobFails string // the job that is started ends in an error with these words

	Status int // of HTTP
	Body   string
}

// Restart is an end of all connections, with code 1001, and a new beginning.
type Restart struct {
	Down time.Duration // HTTP answers 502 so long
	Stay bool          // or until Up is called
	Lose bool          // jobs are forgotten, and what they did is undone
	Done bool          // with Lose: what they did is done
}

// Plan holds faults. Its owner locks it.
type Plan struct{ upstreamtest.Plan[Fault] }

// Add appends a fault.
func (p *Plan) Add(f Fault) {
	f.Late = f.Late || !f.Drop && f.Close == 0 && f.Restart == nil && f.Errno == 0 && f.Raw == "" // those that spoil no more than an answer
	p.Plan.Add(f, f.Skip, f.Times)
}

// Call is the first fault that is due for a call, or nil.
func (p *Plan) Call(method string) *Fault {
	return p.Due(func(f *Fault) bool { return f.Path == "" && fits(f.Method, method) })
}

// Request is the first one for an HTTP request, or nil.
func (p *Plan) Request(path string) *Fault {
	return p.Due(func(f *Fault) bool { return f.Path != "" && fits(f.Path, path) })
}

func fits(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return pattern == "" || ok && err == nil || pattern == name
}

// HTTP is what it does to a request.
func (f *Fault) HTTP() *upstreamtest.Fault {
	return &upstreamtest.Fault{Delay: f.Delay, Drop: f.Drop, Status: f.Status, Body: f.Body}
}
