// Package wire is JSON-RPC 2.0 over a WebSocket as TrueNAS speaks it: what it takes for a
// message, how long one may be, and with which code it hangs up (ref 2.2 "Wire";
// truenas/middleware api/base/server/ws_handler/rpc.py). Only the fake uses it.
package wire

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake/fail"
)

// Handler is the side that answers. Its methods are called from one goroutine.
type Handler interface {
	LoggedIn() bool
	Frame(text string) // everything that arrives, before it is looked at
	Request(Request)
}

// Conn is a connection. Its methods may be called from anywhere, and never wait.
type Conn struct {
	ws    *websocket.Conn
	wake  chan struct{}
	quiet sync.Locker

	mu     sync.Mutex // guards what follows
	queue  [][]byte
	ending bool
	code   websocket.StatusCode
	reason string
}

// New wraps an accepted connection; Serve runs it. Nothing leaves while quiet is locked: so
// nobody hears of a call before all that it does is done.
func New(ws *websocket.Conn, quiet sync.Locker) *Conn {
	ws.SetReadLimit(2 * files) // ours come first
	return &Conn{ws: ws, wake: make(chan struct{}, 1), quiet: quiet}
}

// Serve reads until the connection ends.
func (c *Conn) Serve(ctx context.Context, h Handler) {
	ctx, cancel := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() { // ended by cancel, awaited below
		defer close(written)
		c.write(ctx)
	}()
	defer func() { cancel(); <-written }()
	for {
		kind, text, err := c.ws.Read(ctx)
		if err != nil {
			return
		}
		if kind != websocket.MessageText {
			c.Close(websocket.StatusUnsupportedData, "Invalid websocket message type: <WSMsgType.BINARY: 2>")
			continue // until the other side has hung up
		}
		if c.Ending() {
			continue
		}
		h.Frame(string(text))
		r, err := parse(string(text), h.LoggedIn())
		no, ok := errors.AsType[*refused](err)
		switch {
		case !ok:
			h.Request(r)
		case no.close != 0:
			c.Close(no.close, no.message)
		default:
			c.Send(Failure(nil, no.code, no.message))
		}
	}
}

// Failure is an error answer without data.
func Failure(id any, code int, message string) map[string]any {
	return map[string]any{"jsonrpc": "2.0", "id": id, "error": map[string]any{"code": code, "message": message}}
}

// Answer is a result, or what a fault says.
func Answer(id, result any, err error) map[string]any {
	if err != nil {
		return map[string]any{"jsonrpc": "2.0", "id": id, "error": fail.Of(err).Object()}
	}
	return map[string]any{"jsonrpc": "2.0", "id": id, "result": result}
}

// Send queues a message.
func (c *Conn) Send(v any) {
	text, err := json.Marshal(v)
	if err != nil { // a mistake in the fake itself
		text, _ = json.Marshal(Failure(nil, -32603, err.Error()))
	}
	c.Raw(text)
}

// Raw queues bytes as they are.
func (c *Conn) Raw(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ending {
		c.queue = append(c.queue, text)
		c.signal()
	}
}

// signal is called with the lock held.
func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
}

// Close hangs up, once what is queued has been sent.
func (c *Conn) Close(code websocket.StatusCode, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ending {
		c.ending, c.code, c.reason = true, code, reason
		c.signal()
	}
}

// Cut ends the connection at once, without a word.
func (c *Conn) Cut() { _ = c.ws.CloseNow() } // it is gone either way

// Ending is whether nothing is sent any more.
func (c *Conn) Ending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

func (c *Conn) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		c.quiet.Lock()
		c.mu.Lock()
		queue, ending, code, reason := c.queue, c.ending, c.code, c.reason
		c.queue = nil
		c.mu.Unlock()
		c.quiet.Unlock()
		for _, text := range queue {
			if c.ws.Write(ctx, websocket.MessageText, text) != nil {
				return
			}
		}
		if ending {
			_ = c.ws.Close(code, reason) // the other side may be gone
			return
		}
	}
}
