// Package link makes connections to hosts and keeps them between calls.
//
// Every host on the way is verified by its own key before anything is sent to it, and
// logged in to with a stored key or password. No agent is used or forwarded. A
// connection belongs to one user of Drawbridge, is asked for a sign of life, and ends
// when nobody uses it. Package remote works on connections; the ssh server pools them.
package link

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/ssh/hosts"
)

// Login is what proves who we are to a host. Empty members are not used.
type Login struct {
	Key, Passphrase secret.String // a private key in PEM
	Password        secret.String
	Sudo            secret.String // password for sudo, where it differs
}

// Limits of a connection. OpenSSH has 10 sessions on one by default.
const (
	maxSessions = 8
	maxReserve  = 2
	idleTime    = 5 * time.Minute
)

// Pool keeps connections between calls. One belongs to one user of Drawbridge.
type Pool struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex // guards slots, the users of each, and closed
	slots  map[key]*slot
	closed bool
	alive  sync.WaitGroup // the connections' watchers
}

// key is what a connection is for. Other secrets, that for sudo included, or another
// way are another one.
type key struct {
	user, alias string
	rest        [sha256.Size]byte
}

// slot is the place of one connection.
type slot struct {
	turn  chan struct{} // who holds it may look at conn and dial
	conn  *Conn
	users int // callers that have it; while there are any it is not swept
}

// NewPool makes an empty pool.
func NewPool(log *slog.Logger, now func() time.Time) *Pool {
	return &Pool{log: log, now: now, slots: map[key]*slot{}}
}

// Target is a host with the way to it and what to say there.
type Target struct {
	User   string       // of Drawbridge
	Way    []hosts.Host // the host is the last
	Logins []Login      // one for each host on the way
}

// Host is where the way ends.
func (t Target) Host() hosts.Host { return t.Way[len(t.Way)-1] }

func (t Target) key() key {
	sum := sha256.New()
	for i, h := range t.Way {
		l := t.Logins[i]
		fmt.Fprintf(sum, "%q %q %q %q %q %q %q %q\n", h.User, h.Addr(), h.KeyName, h.Pins, l.Key.Reveal(), l.Passphrase.Reveal(), l.Password.Reveal(), l.Sudo.Reveal())
		fmt.Fprintf(sum, "%q %q %q\n", h.KnownHosts, h.Identities, h.Certificates)
	}
	k := key{user: t.User, alias: t.Host().Alias}
	sum.Sum(k.rest[:0])
	return k
}

// Connect gives a connection to a host, a new one where there is none.
func (p *Pool) Connect(ctx context.Context, t Target) (*Conn, error) {
	s, err := p.slot(t.key())
	if err != nil {
		return nil, err
	}
	defer p.leave(s)
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.conn != nil && !s.conn.Over() && s.conn.answers(ctx) {
		s.conn.touch()
		return s.conn, nil
	}
	c, err := dialWay(ctx, t, p.now)
	if err != nil {
		return nil, err
	}
	if !p.watch(c) {
		c.Close()
		return nil, errClosed
	}
	s.conn = c
	return c, nil
}

var errClosed = fault.New(fault.Unavailable, "The ssh server is shutting down. Try again in a moment.")

// slot is the place for a key. Who gets it calls leave.
func (p *Pool) slot(k key) (*slot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	s, ok := p.slots[k]
	if !ok {
		for old, other := range p.slots {
			// conn changes only in the hands of a user.
			if other.users == 0 && (other.conn == nil || other.conn.Over()) {
				delete(p.slots, old)
			}
		}
		s = &slot{turn: make(chan struct{}, 1)}
		p.slots[k] = s
	}
	s.users++
	return s, nil
}

func (p *Pool) leave(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
}

// watch starts what keeps a connection alive; Close awaits it.
func (p *Pool) watch(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.alive.Go(func() { c.keepAlive() })
	return true
}

// Close ends every connection and awaits their watchers.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	all := p.slots
	p.slots = map[key]*slot{}
	p.mu.Unlock()
	for _, s := range all {
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if s.conn != nil {
			s.conn.Close()
		}
		<-s.turn
	}
	p.alive.Wait()
	return nil
}

// Conn is a connection to one host. It is safe for concurrent use.
type Conn struct {
	Host        hosts.Host
	Login       Login  // what the host was given, and what sudo is
	Fingerprint string // of the host's key
	Version     string // what the host says it is

	// Now is the clock of the pool.
	Now func() time.Time

	client   *ssh.Client
	hops     []*ssh.Client // on the way, nearest first
	sessions chan struct{}
	reserve  chan struct{}
	ended    chan struct{}  // closed when the connection is over
	opening  sync.WaitGroup // what aside runs

	mu     sync.Mutex // guards used, busy and ending
	used   time.Time
	busy   int
	ending bool // nothing is opened any more
}

// Over tells whether the connection has ended.
func (c *Conn) Over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

func (c *Conn) touch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = c.Now()
}

func (c *Conn) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy == 0 && c.Now().Sub(c.used) > idleTime
}

// Close ends the connection and those it goes through. It may be called twice.
func (c *Conn) Close() {
	_ = c.client.Close() // over is over
	for _, hop := range slices.Backward(c.hops) {
		_ = hop.Close()
	}
}

// keepAlive asks the host for an answer from time to time, until the connection is
// over: it has not answered, or nobody has used it for long.
func (c *Conn) keepAlive() {
	defer close(c.ended)
	gone := make(chan struct{})
	go func() { // ends with the connection, which this function closes
		defer close(gone)
		_ = c.client.Wait() // how it ended does not matter
	}()
	defer func() {
		c.mu.Lock()
		c.ending = true
		c.mu.Unlock()
		c.Close()
		<-gone
		c.opening.Wait()
	}()
	tick := time.NewTicker(c.Host.AliveInterval)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return
		case <-tick.C:
		}
		if c.idle() {
			return
		}
		patience := time.AfterFunc(c.Host.AliveInterval*time.Duration(max(c.Host.AliveMax, 1)), c.Close)
		_, _, err := c.client.SendRequest(keepAliveRequest, true, nil)
		patience.Stop()
		if err != nil {
			return
		}
	}
}

// Session opens a session, waiting for a free one. Some are kept for ending what
// runs in the others. The caller calls done.
func (c *Conn) Session(ctx context.Context, ends bool) (s *ssh.Session, done func(), err error) {
	free := c.sessions
	if ends {
		free = c.reserve
	}
	select {
	case free <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	c.mu.Lock()
	c.busy++
	c.mu.Unlock()
	release := func() {
		c.mu.Lock()
		c.busy--
		c.used = c.Now()
		c.mu.Unlock()
		<-free
	}
	if s, err = c.open(ctx); err != nil {
		release()
		return nil, nil, c.Lost(err)
	}
	return s, release, nil
}

// open opens a session and does not wait longer than ctx. One that opens too late
// is closed.
func (c *Conn) open(ctx context.Context) (*ssh.Session, error) {
	type opened struct {
		s   *ssh.Session
		err error
	}
	result := make(chan opened)
	started := c.aside(func() {
		s, err := c.client.NewSession()
		select {
		case result <- opened{s, err}:
		case <-ctx.Done():
			if err == nil {
				_ = s.Close() // nobody waits for it any more
			}
		}
	})
	if !started {
		return nil, net.ErrClosed
	}
	select {
	case o := <-result:
		return o.s, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// aside runs f in a goroutine that keepAlive awaits, unless the connection ends.
func (c *Conn) aside(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		return false
	}
	c.opening.Go(f)
	return true
}

// Bounds of asking a connection for a sign of life before it is used again.
const (
	freshTime  = 15 * time.Second // since its last use: it is not asked
	answerTime = 5 * time.Second
)

// answers tells whether the host still answers on a connection that was idle. One
// that does not is closed: nothing was sent on it, so another may be used instead.
func (c *Conn) answers(ctx context.Context) bool {
	c.mu.Lock()
	fresh := c.busy > 0 || c.Now().Sub(c.used) < freshTime
	c.mu.Unlock()
	if fresh {
		return true
	}
	answered := make(chan error, 1)
	if !c.aside(func() { _, _, err := c.client.SendRequest(keepAliveRequest, true, nil); answered <- err }) {
		return false
	}
	patience := time.NewTimer(answerTime)
	defer patience.Stop()
	select {
	case err := <-answered:
		return err == nil
	case <-ctx.Done():
		return true // the caller's own end is found by what comes next
	case <-patience.C:
		c.Close()
		return false
	}
}

// keepAliveRequest is one that no host knows, and so every host answers.
const keepAliveRequest = "keepalive@openssh.com"

// Lost is the error for a connection that broke.
func (c *Conn) Lost(cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return fault.Wrap(cause, fault.Unavailable, "The connection to %s broke, or the host refused another session. Try again in a moment; check_host tells more.", c.Host.Alias)
}
