// Package faults is what may go wrong between a client and the fake. Only the fake uses it.
package faults

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
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

// Late ones are those that spoil an answer.
func (f *Fault) late() bool {
	return f.Late || !f.Drop && !f.Silent && f.Status == 0 && f.Code == ""
}

// Plan holds faults. Its owner locks it.
type Plan struct{ faults []*Fault }

// Add appends a fault.
func (p *Plan) Add(f Fault) {
	if f.Times == 0 {
		f.Times = -1
	}
	p.faults = append(p.faults, &f)
}

// ForCommand is the first fault that is due for a command, or nil.
func (p *Plan) ForCommand(kind, service string) *Fault {
	return p.due(func(f *Fault) bool {
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
	return p.due(func(f *Fault) bool {
		switch {
		case f.Command != "":
			return false
		case f.Service != "":
			return method == http.MethodPost && f.Service == service
		}
		return (f.Method == "" || f.Method == method) && strings.Contains(path, f.Path)
	})
}

func (p *Plan) due(is func(*Fault) bool) *Fault {
	for _, f := range p.faults {
		if f.Times == 0 || !is(f) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		found := *f
		found.Late = f.late()
		return &found
	}
	return nil
}

// Act answers a request in place of answer, or spoils what answer, of a late one, writes.
func (f *Fault) Act(w http.ResponseWriter, r *http.Request, answer func(http.ResponseWriter, *http.Request)) {
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Silent:
		<-r.Context().Done()
		return
	case f.Garbage:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"message": <html>`) // a client that hung up is no fault of ours
		return
	case f.Oversize > 0:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `"`+strings.Repeat("x", f.Oversize)+`"`)
		return
	case f.Status == 0:
		answer(w, r)
		return
	}
	w.Header().Set("Content-Type", cmp.Or(f.Kind, "text/html"))
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}
