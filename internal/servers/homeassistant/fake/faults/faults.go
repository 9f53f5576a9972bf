// Package faults is what may go wrong between a client and the fake. Only the fake uses it.
package faults

import (
	"net/http"
	"strings"
	"time"

	"drawbridge/internal/servers/kittest/upstreamtest"
)

// Fault is what goes wrong with some requests or commands (ref 5). One that says nothing
// else only delays the answer to what was carried out.
type Fault struct {
	// What it concerns: the first of these that is set.
	Command string // type of a WebSocket command; "auth", "*" for any
	Service string // "light.turn_on", by either way
	Method  string // of a request, with Path
	Path    string // part of a request's path; "/api/websocket" for opening one

	Skip  int  // so many pass first
	Times int  // how often it happens; 0 for ever
	Late  bool // it is carried out first: only the answer suffers

	Delay    time.Duration // ahead of the answer, by the fake's clock
	Drop     bool          // the connection breaks, without a closing handshake
	Silent   bool          // there never is an answer
	Restart  bool          // the house restarts (with the Server's Restarting)
	Garbage  bool          // an answer that is no JSON
	Oversize int           // so many bytes of padding in the answer

	Status     int    // a request is answered with this instead
	Body, Kind string // and this; text/html if Kind is empty, as of proxies
	RetryAfter int    // seconds
	Code       string // a command is answered with this error
	Message    string
}

// Plan holds faults. Its owner locks it.
type Plan struct{ upstreamtest.Plan[Fault] }

// Add appends a fault.
func (p *Plan) Add(f Fault) {
	f.Late = f.Late || !f.Drop && !f.Silent && f.Status == 0 && f.Code == "" // those that spoil no more than an answer
	p.Plan.Add(f, f.Skip, f.Times)
}

// ForCommand is the first fault that is due for a command, or nil.
func (p *Plan) ForCommand(kind, service string) *Fault {
	return p.Due(func(f *Fault) bool {
		switch {
		case f.Command != "":
			return f.Command == "*" || f.Command == kind
		case f.Service != "":
			return f.Service == service
		}
		return false
	})
}

// ForRequest is the first one that is due for a request, or nil.
func (p *Plan) ForRequest(method, path string) *Fault {
	service := strings.ReplaceAll(strings.TrimPrefix(path, "/api/services/"), "/", ".")
	return p.Due(func(f *Fault) bool {
		switch {
		case f.Command != "":
			return false
		case f.Service != "":
			return method == http.MethodPost && f.Service == service
		}
		return (f.Method == "" || f.Method == method) && strings.Contains(path, f.Path)
	})
}

// HTTP is what it does to a request.
func (f *Fault) HTTP() *upstreamtest.Fault {
	h := upstreamtest.Fault{Status: f.Status, Body: f.Body, Kind: f.Kind, RetryAfter: f.RetryAfter}
	switch {
	case f.Garbage:
		h = upstreamtest.Garbage(0)
	case f.Oversize > 0:
		h = upstreamtest.Oversize(0, f.Oversize)
	}
	h.Delay, h.Drop, h.Silent = f.Delay, f.Drop, f.Silent
	return &h
}
