// Package rpc speaks JSON-RPC 2.0 to one TrueNAS over a WebSocket, as its middleware
// does: positional parameters, one object a message, notifications for subscriptions.
//
// It opens connections in the newest version of the API that both sides know, logs in
// with an API key (SCRAM where the server has it, so that the key stays here), and keeps
// one connection for each credential. It sends no call twice: a connection that has been
// idle is tried with a ping first, and where an answer is lost the error says whether
// the call can have run. It knows no method but those of logging in and subscribing;
// package api has the others.
package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/fault"
)

// What the middleware takes on one connection: messages of 64 KiB, ten calls at once
// before it queues and twenty before it refuses.
const (
	maxMessage = 64 << 10
	maxCalls   = 8
)

// writeTime bounds the sending of one message.
const writeTime = 10 * time.Second

// Errors of a call that got no answer.
var (
	// ErrUnsent is that of a call of which nothing was sent.
	ErrUnsent = errors.New("the connection had ended before the call was sent")
	// ErrLost is that of a call that was sent: it may have run.
	ErrLost = errors.New("the connection ended before the answer came")
)

// Conn is one connection, logged in or about to be. Safe for concurrent use.
type Conn struct {
	ws     *websocket.Conn
	now    func() time.Time
	places chan struct{} // one for each call under way
	turn   chan struct{} // held while a subscription is made or ended
	stop   context.CancelFunc
	ended  chan struct{} // closed when the reader has ended

	mu      sync.Mutex // guards what follows
	last    int64      // id of the last call
	spoke   time.Time  // when the server last said something
	waiting map[int64]chan answer
	heard   map[string][]*Subscription // by the name subscribed to
	ids     map[string]string          // of the server's subscriptions, by name
	broken  bool
}

type answer struct {
	Result json.RawMessage
	Error  *Error
}

// message is anything that the server says.
type message struct {
	ID     *int64          `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *Error          `json:"error"`
}

// newConn takes over an open WebSocket and reads it until it ends.
func newConn(ws *websocket.Conn, now func() time.Time) *Conn {
	ctx, stop := context.WithCancel(context.Background())
	c := &Conn{ws: ws, now: now, spoke: now(), stop: stop, ended: make(chan struct{}), places: make(chan struct{}, maxCalls), turn: make(chan struct{}, 1),
		waiting: map[int64]chan answer{}, heard: map[string][]*Subscription{}, ids: map[string]string{}}
	go c.read(ctx) // ends with the connection; Close awaits it
	return c
}

// Close ends the connection and what waits for it.
func (c *Conn) Close() {
	c.stop()
	_ = c.ws.CloseNow() // it is of no use any more, however it ends
	<-c.ended
}

// Alive tells whether the connection has not ended yet, as far as is known.
func (c *Conn) Alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.broken
}

// Retire has the next call open another connection: this one is not logged in any more.
func (c *Conn) Retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = true
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.ended }

func (c *Conn) read(ctx context.Context) {
	defer close(c.ended)
	defer c.fail()
	defer func() { _ = c.ws.CloseNow() }()
	for {
		kind, data, err := c.ws.Read(ctx)
		if err != nil || kind != websocket.MessageText {
			return
		}
		var m message
		if json.Unmarshal(data, &m) != nil {
			return // not the API: nothing on this connection can be believed
		}
		c.hear()
		switch {
		case m.ID != nil:
			c.deliver(*m.ID, answer{m.Result, m.Error})
		case m.Method != "":
			c.notify(m.Method, m.Params)
		}
	}
}

func (c *Conn) hear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spoke = c.now()
}

// silent is how long the server has said nothing.
func (c *Conn) silent() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Sub(c.spoke)
}

// busy tells whether somebody waits for the connection or listens to it.
func (c *Conn) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)+len(c.heard) > 0
}

// deliver hands an answer to the call that waits for it.
func (c *Conn) deliver(id int64, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to := c.waiting[id]; to != nil {
		to <- a // has room for one
		delete(c.waiting, id)
	}
}

// fail ends everything that waits for the connection.
func (c *Conn) fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = true
	for _, subscribed := range c.heard {
		for _, s := range subscribed {
			s.end()
		}
	}
	clear(c.heard)
}

// Call calls a method and decodes its result into into, unless that is nil. Errors are
// ErrUnsent, ErrLost, an *Error of the server's, one of ctx before anything was sent, or
// one of ctx with ErrLost.
func (c *Conn) Call(ctx context.Context, method string, params []any, into any) error {
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	case <-ctx.Done():
		return errors.Join(ErrUnsent, ctx.Err())
	}
	return c.call(ctx, method, params, into)
}

// ping tries the connection. It needs no place: calls that take long say nothing about it.
func (c *Conn) ping(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	return c.call(ctx, "core.ping", nil, nil) == nil
}

// call is Call for one who has a place.
func (c *Conn) call(ctx context.Context, method string, params []any, into any) error {
	if params == nil {
		params = []any{}
	}
	id, got, err := c.register()
	if err != nil {
		return err
	}
	defer c.forget(id)
	sent, err := json.Marshal(struct {
		Version string `json:"jsonrpc"`
		ID      int64  `json:"id"`
		Method  string `json:"method"`
		Params  []any  `json:"params"`
	}{"2.0", id, method, params})
	if err != nil {
		return err
	}
	if len(sent) > maxMessage {
		return fault.New(fault.Limited, "The call is longer than the %d bytes that TrueNAS takes. Send less at once.", maxMessage)
	}
	if ctx.Err() != nil {
		return errors.Join(ErrUnsent, ctx.Err())
	}
	// Not with ctx: a write that is cut off ends the connection, and other calls with it.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if err := c.ws.Write(within, websocket.MessageText, sent); err != nil {
		return errors.Join(ErrLost, err)
	}
	return c.await(ctx, got, into)
}

func (c *Conn) await(ctx context.Context, got <-chan answer, into any) error {
	var a answer
	select {
	case a = <-got:
	case <-c.ended:
		select {
		case a = <-got: // it came just before the end
		default:
			return ErrLost
		}
	case <-ctx.Done():
		return errors.Join(ErrLost, ctx.Err())
	}
	if a.Error != nil {
		return a.Error
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(a.Result, into); err != nil {
		return ErrShape
	}
	return nil
}

// ErrShape takes the place of the decoder's error, which quotes the answer.
var ErrShape = errors.New("the answer is not of the form that the API describes")

// register makes a place for the answer of a call.
func (c *Conn) register() (int64, chan answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return 0, nil, ErrUnsent
	}
	c.last++
	got := make(chan answer, 1)
	c.waiting[c.last] = got
	return c.last, got, nil
}

func (c *Conn) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}
