// Package builtin calls a server that is compiled in: no network, no process, no
// copy. The server is a mcpwire.Handler that speaks the newest revision; a panic
// in it ends the one call and nothing else.
//
// The gateway's app wraps each built-in server in a Dialer and hands it to
// package backend like any other.
package builtin

import (
	"context"
	"log/slog"
	"runtime/debug"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

// WatchFunc delivers what a server says outside of calls, as backend.Peer.Watch
// does, to the principal in ctx.
type WatchFunc func(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error

// Dialer gives out peers of one built-in server.
type Dialer struct {
	log     *slog.Logger
	name    string
	info    backend.Info
	handler mcpwire.Handler
	watch   WatchFunc
}

// New wraps a server. A nil watch is a server that never says anything by itself.
func New(log *slog.Logger, name string, info backend.Info, h mcpwire.Handler, watch WatchFunc) *Dialer {
	if log == nil || h == nil {
		panic("builtin.New: a dependency is missing")
	}
	info.Transport = backend.BuiltIn
	if info.Revision == "" {
		info.Revision = mcpwire.LatestModern
	}
	return &Dialer{log: log, name: name, info: info, handler: h, watch: watch}
}

// Shared is true: the server keeps state by user, never by session.
func (d *Dialer) Shared() bool { return true }

// Personal is true: what a server tells of a user's resources is for that user.
func (d *Dialer) Personal() bool { return d.watch != nil }

// Dial cannot fail.
func (d *Dialer) Dial(context.Context, backend.Hello) (backend.Peer, error) {
	return &peer{Dialer: d, lost: make(chan struct{})}, nil
}

// peer is a session of a built-in server, which is nothing but a way to call it.
type peer struct {
	*Dialer
	lost chan struct{} // never closed: the server lives as long as the program
}

func (p *peer) Info() backend.Info { return p.info }

// Serve calls the server. The request stays in its caller's revision: what the
// server reads of it is the same in all of them.
func (p *peer) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) (out mcpwire.Outcome) {
	defer func() {
		if r := recover(); r != nil {
			p.log.ErrorContext(ctx, "built-in server panicked", "server", p.name, "method", req.Method,
				"panic", r, "stack", string(debug.Stack()))
			out.Close()
			out = mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal,
				"The built-in server %q failed by a mistake of its own. The log has the cause; other calls still work.", p.name))
		}
	}()
	return p.handler.Serve(ctx, req, sink)
}

func (p *peer) Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
	if p.watch != nil {
		return p.watch(ctx, f, sink, ready)
	}
	ready(mcpwire.Filter{})
	<-ctx.Done()
	return nil
}

func (p *peer) Lost() <-chan struct{} { return p.lost }

func (p *peer) Close(context.Context) error { return nil }
