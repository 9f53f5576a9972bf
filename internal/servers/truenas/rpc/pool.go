package rpc

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

const (
	mostLinks = 64               // credentials with a connection of their own
	idleTime  = 20 * time.Second // of silence, after which a connection is tried before it is used
	staleTime = 10 * time.Minute // after which it gives way to another credential's
	pingTime  = 5 * time.Second
	openTime  = 30 * time.Second // to connect and log in, whatever time the call has
)

// Pool has one connection for each credential. Safe for concurrent use.
type Pool struct {
	up     *kit.Upstream
	now    func() time.Time
	within time.Duration // to connect and log in

	mu     sync.Mutex // guards what follows
	closed bool
	links  map[[sha256.Size]byte]*link
}

// NewPool makes a pool. It connects to nothing.
func NewPool(up *kit.Upstream, now func() time.Time) *Pool {
	return &Pool{up: up, now: now, within: openTime, links: map[[sha256.Size]byte]*link{}}
}

// link is the way to the server for one credential.
type link struct {
	turn chan struct{} // held while the connection is tried or opened

	mu   sync.Mutex // guards what follows
	used time.Time
	line *Line
}

// Line is a connection that is logged in.
type Line struct {
	*Conn
	API   Release  // version of the API; the zero one is newer than all we know
	Roles []string // of the user; nil where it was not told
}

// Get gives the connection of a credential, opened where there is none that works.
func (p *Pool) Get(ctx context.Context, k Key) (*Line, error) {
	l, err := p.link(k)
	if err != nil {
		return nil, err
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	line := l.line
	l.mu.Unlock()
	if line != nil && line.works(ctx) {
		return line, nil
	}
	if ctx.Err() != nil { // which says nothing about the connection
		return nil, ctx.Err()
	}
	if line != nil {
		line.Close()
	}
	if line, err = p.open(ctx, k); err != nil {
		line = nil
	}
	l.mu.Lock()
	l.line = line
	l.mu.Unlock()
	if err == nil && p.over() { // Close came in between and may not have seen it
		line.Close()
		return nil, stopped()
	}
	return line, err
}

// works tells whether a connection can be used; one that says nothing may have ended
// without a word.
func (l *Line) works(ctx context.Context) bool {
	return l.Alive() && (l.silent() < idleTime || l.ping(ctx))
}

// link finds or makes the link of a credential. From then on it counts as used: one that
// is given away at the same time would open a connection that nobody closes.
func (p *Pool) link(k Key) (*link, error) {
	id := sha256.Sum256([]byte(k.User + "\x00" + k.Key.Reveal()))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, stopped()
	}
	if l := p.links[id]; l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.used = p.now()
		return l, nil
	}
	if len(p.links) >= mostLinks {
		p.evict()
	}
	if len(p.links) >= mostLinks {
		return nil, fault.New(fault.Limited, "%d credentials are in use for TrueNAS, which is the most. Try again in ten minutes.", len(p.links))
	}
	l := &link{turn: make(chan struct{}, 1), used: p.now()}
	p.links[id] = l
	return l, nil
}

// evict drops the links that nobody has used for long, and does not now. mu is held.
func (p *Pool) evict() {
	for id, l := range p.links {
		l.mu.Lock()
		if p.now().Sub(l.used) > staleTime && (l.line == nil || !l.line.busy()) {
			if l.line != nil {
				l.line.Close()
			}
			delete(p.links, id)
		}
		l.mu.Unlock()
	}
}

func stopped() error {
	return fault.New(fault.Unavailable, "The server is being stopped. Call again when it is back.")
}

func (p *Pool) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// open connects and logs in, within openTime: other calls wait for it, and this one may
// have hours.
func (p *Pool) open(ctx context.Context, k Key) (*Line, error) {
	within, cancel := context.WithTimeout(ctx, p.within)
	defer cancel()
	line, err := p.connect(within, k)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = fault.Wrap(err, fault.Unavailable, "TrueNAS did not finish the login within %s; it may be starting, or busy. Nothing was asked of it. Try again in a minute.", p.within)
	}
	return line, err
}

func (p *Pool) connect(ctx context.Context, k Key) (*Line, error) {
	api, path, err := version(ctx, p.up)
	if err != nil {
		return nil, starting(err)
	}
	ws, err := p.up.Socket(ctx, path, nil)
	if err != nil {
		return nil, starting(err)
	}
	line := &Line{Conn: newConn(ws, p.now), API: api}
	if line.Roles, err = login(ctx, line.Conn, api, k); err != nil {
		line.Close()
		if errors.Is(err, ErrLost) || errors.Is(err, ErrUnsent) {
			err = interrupted(ctx, err)
		}
		return nil, err
	}
	return line, nil
}

// starting explains what the web server in front answers while the middleware is down.
func starting(err error) error {
	if kit.StatusOf(err) < http.StatusInternalServerError {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "TrueNAS is starting or stopping (%d), so nothing was asked of it. Try again in a minute.", kit.StatusOf(err))
}

// interrupted is the error of a login that got no answer. Nothing was asked for yet.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.Wrap(err, fault.Unavailable, "TrueNAS closed the connection before the login was done; it may be starting or stopping. Nothing was asked of it. Try again in a minute.")
}

// Close ends all connections.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	links := p.links
	p.links = nil
	p.mu.Unlock()
	for _, l := range links {
		l.mu.Lock()
		line := l.line
		l.mu.Unlock()
		if line != nil {
			line.Close()
		}
	}
	p.up.Close()
}
