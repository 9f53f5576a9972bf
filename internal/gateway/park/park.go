// Package park holds the calls of legacy backends whose questions travel to a
// client of 2026-07-28.
//
// Such a client is asked by the end of its request: the result is "input
// required", and the answers come with a retry. A legacy backend asks in the middle
// of a call and waits. So the call stays open here, owned by this process, while
// the client has its question; the retry answers it and takes the call over
// (protocol reference 2.5, "ML"). Between the two the call is parked. A call is
// handed to its backend once, whatever happens: where it cannot go on, whoever
// retries is told so and nothing is run again.
//
// The package gateway is its caller: it seals the tickets that come out of here and
// opens those that come back. Nothing is known here of names, seals or rights.
package park

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/mcpwire"
)

// Config bounds what is parked.
type Config struct {
	TTL     time.Duration // how long a question may wait for its answer
	PerUser int           // calls of one user
	Total   int           // calls of everybody
}

// Info says of a parked call what an operator or its owner may know.
type Info struct {
	ID      string    `json:"id"`
	Backend string    `json:"backend"`
	User    string    `json:"user"`
	Method  string    `json:"method"`
	Target  string    `json:"target"`
	Since   time.Time `json:"since"`
	Expires time.Time `json:"expires"`
}

// Ticket leads a retry to its call. The client carries it, sealed.
type Ticket struct {
	ID    string
	Round int
}

// Why a retry does not get its call.
var (
	ErrGone     = mcpwire.Errorf(mcpwire.CodeInvalidParams, "The call that this requestState belongs to has expired or ended, or the server was restarted. If it changes things, look whether it has done so. Send the call again from the start.")
	ErrAnswered = mcpwire.Errorf(mcpwire.CodeInvalidParams, "This question was answered already. Wait for the answer of the request that did so, or send the call again from the start.")
)

// Call says what to park, and how.
type Call struct {
	Info Info // without ID and times
	// Request must not point into bytes that its client's request owns (Request.Keep).
	Request *mcpwire.Request
	// Run hands the request to its backend. It is called once.
	Run func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome
	// Guard is told how to cut the call off, parked or not, and returns what to call
	// when nothing of it is left. Nil: nobody needs to.
	Guard func(cut func(why *mcpwire.Error)) (leave func())
}

// Lot holds the parked calls.
type Lot struct {
	log *slog.Logger
	cfg Config
	now func() time.Time

	work sync.WaitGroup // calls at their backends

	mu     sync.Mutex // guards what follows
	held   map[string]*call
	byUser map[string]int
	open   map[*call]struct{} // every call that runs, parked or not
	recent []answered         // calls that a retry has taken over lately, the oldest first
	closed bool
}

// New makes an empty lot.
func New(log *slog.Logger, cfg Config, now func() time.Time) *Lot {
	return &Lot{log: log, cfg: cfg, now: now, held: map[string]*call{}, byUser: map[string]int{}, open: map[*call]struct{}{}}
}

// Serve runs a call for the client that sink leads to. It returns the outcome, or
// the questions to put and the ticket that the retry must bring. ctx is the client's
// request: when it ends while the call is not parked, the call is cancelled.
func (l *Lot) Serve(ctx context.Context, c Call, sink mcpwire.Sink) (mcpwire.Outcome, []mcpwire.Asked, Ticket) {
	run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	p := &call{lot: l, req: c.Request, info: c.Info, end: cancel, caller: *c.Request.Caller}
	v := &visit{sink: sink, token: c.Request.ProgressToken(), wake: make(chan struct{}, 1)}
	p.at = v
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		cancel(nil)
		return mcpwire.Fail(errStopping), nil, Ticket{}
	}
	l.open[p] = struct{}{}
	if c.Guard != nil {
		p.leave = c.Guard(p.cutOff)
	}
	l.work.Go(func() { p.finish(p.guarded(run, c)) })
	l.mu.Unlock()
	return p.wait(ctx, v)
}

var errStopping = mcpwire.Errorf(mcpwire.CodeInternal, "The server is shutting down. Connect again in a moment; the call was not run.")

// guarded runs the call; a panic is the failure of this one call.
func (p *call) guarded(ctx context.Context, c Call) (out mcpwire.Outcome) {
	defer func() {
		if r := recover(); r != nil {
			p.lot.log.ErrorContext(ctx, "panic while serving a request", "method", c.Request.Method, "panic", r, "stack", string(debug.Stack()))
			out = mcpwire.Fail(mcpwire.FromFault(fmt.Errorf("panic while serving a request: %v", r)))
		}
	}()
	return c.Run(ctx, c.Request, p)
}

// Resume takes a parked call over for a retry: it answers the backend with the
// retry's inputs and goes on as Serve does. Where an answer is missing the same
// questions come back, and nothing has changed.
func (l *Lot) Resume(ctx context.Context, t Ticket, req *mcpwire.Request, sink mcpwire.Sink) (mcpwire.Outcome, []mcpwire.Asked, Ticket) {
	l.mu.Lock()
	p, again := l.held[t.ID], slices.ContainsFunc(l.recent, func(a answered) bool { return a.id == t.ID })
	l.mu.Unlock()
	switch {
	case again:
		return mcpwire.Fail(ErrAnswered), nil, Ticket{}
	case p == nil:
		return mcpwire.Fail(ErrGone), nil, Ticket{}
	}
	v := &visit{sink: sink, token: bytes.Clone(req.ProgressToken()), wake: make(chan struct{}, 1)}
	missing, err := p.enter(t.Round, req, v)
	switch {
	case err != nil:
		return mcpwire.Fail(err), nil, Ticket{}
	case missing != nil:
		return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: mcpwire.LatestModern}, missing, t
	}
	return p.wait(ctx, v)
}

// List tells what is parked, the oldest first.
func (l *Lot) List() []Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Info, 0, len(l.held))
	for _, p := range l.held {
		list = append(list, p.info)
	}
	slices.SortFunc(list, func(a, b Info) int { return a.Since.Compare(b.Since) })
	return list
}

// Cancel ends a parked call that may accepts. ok is false where there is none.
func (l *Lot) Cancel(id string, may func(Info) bool) (ok bool) {
	l.mu.Lock()
	p := l.held[id]
	if p == nil || !may(p.info) {
		l.mu.Unlock()
		return false
	}
	l.mu.Unlock()
	return p.release("cancelled", 0)
}

// Close cancels every call and waits until none is left.
func (l *Lot) Close() {
	l.mu.Lock()
	l.closed = true
	open := make([]*call, 0, len(l.open))
	for p := range l.open {
		open = append(open, p)
	}
	for _, p := range l.held { // one that has ended at its backend is in here only
		open = append(open, p)
	}
	l.mu.Unlock()
	for _, p := range open {
		if !p.release("the server stops", 0) {
			p.end(errStopped)
		}
	}
	l.work.Wait()
}

var (
	errStopped  = errors.New("the server stops")
	errReleased = errors.New("nobody answered the call's question")
)

// park counts a call in, unless there are too many. The caller holds the call's mu.
func (l *Lot) park(p *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.held) >= l.cfg.Total || l.byUser[p.info.User] >= l.cfg.PerUser {
		return false
	}
	if p.info.ID == "" {
		p.info.ID = strings.ToLower(rand.Text()[:16])
	}
	l.recent = slices.DeleteFunc(l.recent, func(a answered) bool { return a.id == p.info.ID }) // it asks once more
	now := l.now()
	p.info.Since, p.info.Expires = now, now.Add(l.cfg.TTL)
	l.held[p.info.ID] = p
	l.byUser[p.info.User]++
	return true
}

// An answered call is remembered for keepAnswered, so that a second retry hears that
// there was a first one and nobody is sent to run the call again.
type answered struct {
	id   string
	user string
	at   time.Time
}

const (
	keepAnswered = time.Hour
	maxAnswered  = 1000 // of one user
)

// answered counts a parked call out whose questions have their answers.
func (l *Lot) answered(p *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(p)
	now, mine := l.now(), 0
	l.recent = append(l.recent, answered{p.info.ID, p.info.User, now})
	for i, a := range slices.Backward(l.recent) {
		if a.user == p.info.User {
			mine++
		}
		if now.Sub(a.at) > keepAnswered || a.user == p.info.User && mine > maxAnswered {
			l.recent = slices.Delete(l.recent, i, i+1)
		}
	}
}

// leave counts a call out; it is nothing for one that is not parked.
func (l *Lot) leave(p *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(p)
}

// drop is leave with mu held.
func (l *Lot) drop(p *call) {
	if l.held[p.info.ID] != p {
		return
	}
	delete(l.held, p.info.ID)
	if l.byUser[p.info.User]--; l.byUser[p.info.User] == 0 {
		delete(l.byUser, p.info.User)
	}
}

// forget says that a call has left its backend.
func (l *Lot) forget(p *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, p)
}
