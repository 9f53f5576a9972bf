package link

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/fault"
)

// conn is one connection after the sign-in.
type conn struct {
	link *Link
	ws   *websocket.Conn
	over chan struct{} // closed when it has ended

	writing sync.Mutex // held from the choice of an id until it is sent: ids have to rise on the wire

	mu      sync.Mutex // guards what follows
	ended   bool
	last    int64 // id
	waiting map[int64]*waiter
	events  map[int64]func([]byte)
	heard   time.Time
}

// waiter waits for one answer.
type waiter struct {
	id     int64
	answer chan answer // holds one
}

type answer struct {
	raw []byte
	err error
}

// message is what Home Assistant sends.
type message struct {
	ID      int64           `json:"id"`
	Type    string          `json:"type"`
	Success bool            `json:"success"`
	Result  json.RawMessage `json:"result"`
	Error   *Error          `json:"error"`
	Event   json.RawMessage `json:"event"`
}

// errUnsent says that not a byte of a command was sent.
var errUnsent = errors.New("not sent")

func newConn(l *Link, ws *websocket.Conn) *conn {
	return &conn{link: l, ws: ws, over: make(chan struct{}), waiting: map[int64]*waiter{}, events: map[int64]func([]byte){}, heard: time.Now()}
}

// write sends a command. Its ctx is the link's: a write that is cancelled in the
// middle would end the connection for everybody.
func (c *conn) write(cmd Command, handle func([]byte)) (*waiter, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return nil, errors.Join(errUnsent, errLost)
	}
	c.last++
	w := &waiter{id: c.last, answer: make(chan answer, 1)}
	c.waiting[w.id] = w
	if handle != nil {
		c.events[w.id] = handle
	}
	c.mu.Unlock()
	full := maps.Clone(cmd)
	full["id"] = w.id
	raw, err := json.Marshal(full)
	if err != nil {
		c.forget(w.id)
		return nil, errors.Join(errUnsent, err)
	}
	ctx, cancel := context.WithTimeout(c.link.ctx, writeTime)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageText, raw); err != nil {
		c.end(err)
		return nil, errors.Join(errLost, err)
	}
	return w, nil
}

// await waits for an answer.
func (c *conn) await(ctx context.Context, w *waiter) ([]byte, error) {
	select {
	case a := <-w.answer:
		return a.raw, a.err
	default:
	}
	select {
	case a := <-w.answer:
		return a.raw, a.err
	case <-ctx.Done():
		c.forget(w.id)
		return nil, fault.Wrap(ctx.Err(), fault.Timeout, "Home Assistant did not answer in time. Ask for less, or try again in a minute.")
	}
}

func (c *conn) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
	delete(c.events, id)
}

// unsubscribe ends a subscription. Its answer is not waited for.
func (c *conn) unsubscribe(id int64) {
	c.mu.Lock()
	_, there := c.events[id]
	delete(c.events, id)
	c.mu.Unlock()
	if !there {
		return
	}
	_ = c.tell(Command{"type": "unsubscribe_events", "subscription": id}) // the end of the connection ends it, too
}

// tell sends a command whose answer nobody waits for.
func (c *conn) tell(cmd Command) error {
	w, err := c.write(cmd, nil)
	if err == nil {
		c.forget(w.id)
	}
	return err
}

// read hands out what comes until the connection ends.
func (c *conn) read() {
	for {
		kind, raw, err := c.ws.Read(c.link.ctx)
		if err != nil {
			c.end(err)
			return
		}
		c.mu.Lock()
		c.heard = time.Now()
		c.mu.Unlock()
		if kind != websocket.MessageText {
			continue
		}
		if err := c.take(raw); err != nil {
			c.end(err)
			return
		}
	}
}

// take hands out one frame: a message, or several in an array (coalesce_messages).
func (c *conn) take(raw []byte) error {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	var all []message
	if len(raw) > 0 && raw[0] == '[' {
		if err := json.Unmarshal(raw, &all); err != nil {
			return errGarbage
		}
	} else {
		var one message
		if err := json.Unmarshal(raw, &one); err != nil {
			return errGarbage
		}
		all = []message{one}
	}
	for i := range all {
		c.hand(&all[i])
	}
	return nil
}

// errGarbage takes the place of the decoder's error, which quotes what came.
var errGarbage = errors.New("what came is not JSON of the API")

func (c *conn) hand(m *message) {
	c.mu.Lock()
	w, handle := c.waiting[m.ID], c.events[m.ID]
	if m.Type != "event" {
		delete(c.waiting, m.ID)
	}
	c.mu.Unlock()
	switch {
	case m.Type == "event" && handle != nil:
		handle(m.Event)
	case m.Type == "event" || w == nil:
	case m.Type == "pong" || m.Type == "result" && m.Success:
		w.answer <- answer{raw: m.Result}
	case m.Error != nil:
		w.answer <- answer{err: m.Error}
	default:
		w.answer <- answer{err: &Error{Code: "unknown_error"}}
	}
}

// keep looks after the connection: it asks for a sign of life, and ends what nobody
// uses.
func (c *conn) keep() {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-c.over:
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		silent, busy := time.Since(c.heard), len(c.waiting) > 0
		c.mu.Unlock()
		switch {
		case silent > 2*beat+beat/2:
			c.end(errors.New("no sign of life"))
			return
		case !busy && c.unused():
			c.end(errIdle)
			return
		}
		// Whatever comes back is a sign of life. An error has ended the connection.
		if c.tell(Command{"type": "ping"}) != nil {
			return
		}
	}
}

// errIdle ends a connection that nobody uses.
var errIdle = errors.New("idle")

func (c *conn) unused() bool {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.follows) == 0 && time.Since(l.used) > idleTime
}

// end ends the connection, once: who waits hears of it, and what is followed is
// subscribed to in another.
func (c *conn) end(why error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	waiting, events := c.waiting, c.events
	c.waiting, c.events = nil, nil
	c.mu.Unlock()
	close(c.over)
	l := c.link
	l.mu.Lock()
	if l.now == c {
		l.now = nil
	}
	own := errors.Is(why, errClosed) || errors.Is(why, errIdle)
	if !own {
		l.lost = time.Now()
	}
	for f := range l.follows {
		if f.on == c {
			f.on = nil
		}
	}
	l.mu.Unlock()
	if own {
		_ = c.ws.Close(websocket.StatusNormalClosure, "")
	} else {
		_ = c.ws.CloseNow()
		l.o.Log.DebugContext(l.ctx, "connection to home assistant ended", "error", why)
	}
	for _, w := range waiting {
		w.answer <- answer{err: errLost}
	}
	for _, handle := range events {
		handle(nil)
	}
	l.revive(firstPause)
}
