// Package link is the one WebSocket of a credential to Home Assistant: many
// commands at once, each with its id, and events for those who subscribed.
//
// A Link connects when it is first needed, and again after Home Assistant has been
// away; what is followed is subscribed to again then. A command that changes
// something is sent once and never again: where the connection breaks before its
// answer, the error is ErrUndetermined. A command that only reads is asked again over
// a new connection. A token that is refused is not tried again for a while, because
// Home Assistant bans the address of whoever keeps trying.
//
// Package api speaks through it; it knows commands, this package only their ids
// (Home Assistant's WebSocket API, "Message format" and "Authentication phase").
package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// Dialer opens WebSockets to the system.
type Dialer interface {
	Socket(ctx context.Context, path string, header http.Header) (*websocket.Conn, error)
}

// Options are what a Link is made of.
type Options struct {
	Dial  Dialer
	Path  string // of the WebSocket, below the target's URL
	Token secret.String
	Log   *slog.Logger
	// Refine gives the error of a connection that could not be opened its public
	// sentence.
	Refine func(error) error
}

// Times of a link.
const (
	handshakeTime = 10 * time.Second // for the sign-in, as Home Assistant gives it
	writeTime     = 10 * time.Second
	beat          = 30 * time.Second // between pings, and for their answers
	idleTime      = 5 * time.Minute  // after which a connection that nobody uses is closed
	refusedTime   = time.Minute      // in which a refused token is not tried again
	restartTime   = 10 * time.Minute // after the loss of a connection: Home Assistant may be restarting
	patience      = 15 * time.Second // in which a call waits for it to come back
	firstPause    = 250 * time.Millisecond
	longestPause  = 30 * time.Second
)

// Command is what is sent, with its member type. The id is the link's.
type Command map[string]any

// ErrUndetermined says that a command was sent and its answer lost.
var ErrUndetermined = errors.New("sent, and the answer was lost")

// errLost says that the connection ended before an answer.
var errLost = errors.New("the connection was lost")

// errClosed says that the link is not used any more.
var errClosed = errors.New("the link is closed")

// Error is what Home Assistant answers to a command that it refuses.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"` // never shown: nobody knows what it repeats
}

func (e *Error) Error() string { return "home assistant refused: " + e.Code }

// Link is one credential's connection. Safe for concurrent use.
type Link struct {
	o      Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup // the goroutines of the link
	turn   chan struct{}  // held by who connects

	mu       sync.Mutex // guards what follows
	now      *conn      // nil where there is none
	epoch    int64      // of the newest connection
	lost     time.Time  // when the last one ended by itself
	refused  error      // of a token that was not accepted
	until    time.Time  // no attempt before that
	used     time.Time
	follows  map[*follow]struct{}
	reviving bool
}

// follow is a subscription that outlives its connection.
type follow struct {
	cmd    Command
	handle func(event []byte)
	on     *conn // where it is subscribed; guarded by Link.mu
	id     int64
}

// New makes a link. It connects to nothing.
func New(o Options) *Link {
	ctx, cancel := context.WithCancel(context.Background())
	return &Link{o: o, ctx: ctx, cancel: cancel, turn: make(chan struct{}, 1), follows: map[*follow]struct{}{}}
}

// Close ends the connection and waits for the link's goroutines.
func (l *Link) Close() {
	l.cancel()
	l.mu.Lock()
	c := l.now
	l.mu.Unlock()
	if c != nil {
		c.end(errClosed)
	}
	l.tasks.Wait()
}

// Idle tells that nobody uses the link: no connection, nothing followed.
func (l *Link) Idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now == nil && len(l.follows) == 0
}

// Epoch is the number of the connection there is, 0 where there is none. What was
// learned by subscriptions in another one is out of date.
func (l *Link) Epoch() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		return 0
	}
	return l.epoch
}

// Ask sends a command that only reads. Where the connection breaks, it is sent once
// more over a new one.
func (l *Link) Ask(ctx context.Context, cmd Command) ([]byte, error) {
	raw, _, err := l.send(ctx, cmd)
	if errors.Is(err, errLost) {
		raw, _, err = l.send(ctx, cmd)
	}
	return raw, lostIs(err)
}

// Do sends a command that changes something, once.
func (l *Link) Do(ctx context.Context, cmd Command) ([]byte, error) {
	raw, sent, err := l.send(ctx, cmd)
	if err == nil || !sent {
		return raw, err
	}
	if _, answered := errors.AsType[*Error](err); answered {
		return raw, err
	}
	return raw, fmt.Errorf("%w: %w", ErrUndetermined, err)
}

// send sends a command and waits for its answer. sent tells whether it may have
// arrived.
func (l *Link) send(ctx context.Context, cmd Command) (raw []byte, sent bool, err error) {
	c, w, err := l.write(ctx, cmd, nil)
	if err != nil {
		return nil, !errors.Is(err, errUnsent), err
	}
	raw, err = c.await(ctx, w)
	return raw, true, err
}

// write sends a command over the connection there is, or another where that has
// ended before a byte of the command was sent.
func (l *Link) write(ctx context.Context, cmd Command, handle func([]byte)) (c *conn, w *waiter, err error) {
	for range 2 {
		if c, err = l.connect(ctx); err != nil {
			return nil, nil, errors.Join(errUnsent, err)
		}
		if w, err = c.write(cmd, handle); !errors.Is(err, errUnsent) {
			return c, w, err
		}
	}
	return nil, nil, errors.Join(errUnsent, gone(err))
}

// gone is the fault of a connection that ended at once.
func gone(err error) error {
	return fault.Wrap(err, fault.Unavailable, "Home Assistant broke the connection off. Look whether it is restarting, and try again in a minute.")
}

// Subscribe sends a command whose answer is followed by events, in this connection.
// handle gets each event, and nil when the connection is lost; it must not block, and
// may get one more after stop, which ends the subscription.
func (l *Link) Subscribe(ctx context.Context, cmd Command, handle func(event []byte)) (stop func(), err error) {
	c, w, err := l.write(ctx, cmd, handle)
	if err != nil {
		return nil, lostIs(err)
	}
	if _, err := c.await(ctx, w); err != nil {
		c.unsubscribe(w.id)
		return nil, lostIs(err)
	}
	return func() { c.unsubscribe(w.id) }, nil
}

// lostIs is the fault of a connection that ended where nothing can have been changed.
func lostIs(err error) error {
	if errors.Is(err, errLost) {
		return gone(err)
	}
	return err
}

// Follow is Subscribe for as long as stop is not called: after the loss of a
// connection it is subscribed to again. What happened in between is not told, but the
// first event of a subscription to entities has their states.
func (l *Link) Follow(cmd Command, handle func(event []byte)) (stop func()) {
	f := &follow{cmd: cmd, handle: handle}
	l.mu.Lock()
	l.follows[f] = struct{}{}
	l.mu.Unlock()
	l.revive(0)
	return func() {
		l.mu.Lock()
		delete(l.follows, f)
		c, id := f.on, f.id
		l.mu.Unlock()
		if c != nil {
			c.unsubscribe(id)
		}
	}
}

// revive connects, in the background, until what is followed is subscribed to.
func (l *Link) revive(pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reviving || len(l.follows) == 0 || l.ctx.Err() != nil {
		return
	}
	l.reviving = true
	l.tasks.Go(func() { // ends with Close, or once all is subscribed to
		for {
			err := l.resubscribe(pause)
			if l.settled(err) {
				return
			}
			pause = min(max(2*pause, firstPause), longestPause)
		}
	})
}

// settled ends the reviving where there is nothing left to do. It decides under the
// lock, so that a follow that comes after finds the reviving over and starts another.
func (l *Link) settled(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A token that is refused stays so until somebody calls with it.
	done := l.ctx.Err() != nil || fault.CodeOf(err) == fault.Forbidden
	if !done && err == nil {
		done = true
		for f := range l.follows {
			done = done && f.on != nil && f.on == l.now
		}
	}
	if done {
		l.reviving = false
	}
	return done
}

// resubscribe waits, connects, and subscribes to what is followed.
func (l *Link) resubscribe(pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
	l.mu.Lock()
	wanted := len(l.follows) > 0
	l.mu.Unlock()
	if !wanted {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.ctx, handshakeTime+patience)
	defer cancel()
	c, err := l.connect(ctx)
	if err != nil {
		l.o.Log.DebugContext(ctx, "home assistant cannot be followed yet", "error", err)
		return err
	}
	for _, f := range l.unfollowed(c) {
		w, err := c.write(f.cmd, f.handle)
		if err != nil {
			return err
		}
		if _, err := c.await(ctx, w); err != nil {
			if _, refused := errors.AsType[*Error](err); !refused {
				return err
			}
			l.o.Log.WarnContext(ctx, "home assistant refuses a subscription", "error", err)
		}
		l.mu.Lock()
		f.on, f.id = c, w.id
		_, still := l.follows[f]
		l.mu.Unlock()
		if !still { // stopped while it was subscribed to
			c.unsubscribe(w.id)
		}
	}
	return nil
}

func (l *Link) unfollowed(c *conn) (all []*follow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.follows {
		if f.on != c {
			all = append(all, f)
		}
	}
	return all
}
