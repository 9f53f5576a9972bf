// Package api speaks Home Assistant's WebSocket and REST API: typed calls with
// small structs, one file per noun, and nothing of MCP.
//
// A Client belongs to one installation; As makes a Session with somebody's token,
// which has one WebSocket (package link). What comes is read leniently, row by row:
// the registries gained and lost members in 2026.8 and 2026.9, and an entry that
// cannot be read must not hide the others. What is sent has the members that the API
// knows and no others. Errors are faults; what Home Assistant wrote in them is
// recognised (refine) and never repeated.
//
// The tools of package homeassistant call it.
package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/homeassistant/lenient"
	"drawbridge/internal/servers/homeassistant/link"
	"drawbridge/internal/servers/kit"
)

// Members as they are read.
type (
	Text   = lenient.Text
	Texts  = lenient.Texts
	Moment = lenient.Moment
)

// socketPath leads to the WebSocket.
const socketPath = "/api/websocket"

// mostLinks is how many credentials keep a link; idle ones go first.
const mostLinks = 64

// Client speaks to one installation. Safe for concurrent use.
type Client struct {
	up   *kit.Upstream
	log  *slog.Logger
	host string // of the URL, for errors

	mu     sync.Mutex // guards what follows
	closed bool
	all    map[[sha256.Size]byte]*held
}

// held is what is kept of a credential.
type held struct {
	link *link.Link
	regs registries
}

// New makes a client. up leads to Base(installation).
func New(up *kit.Upstream, installation string, log *slog.Logger) *Client {
	host := ""
	if u, err := url.Parse(Base(installation)); err == nil {
		host = u.Hostname()
	}
	return &Client{up: up, log: log, host: host, all: map[[sha256.Size]byte]*held{}}
}

// Base is the URL of an installation without what people add to it: a slash, the
// path of its API, or the scheme of its WebSocket.
func Base(installation string) string {
	base := strings.TrimRight(installation, "/")
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/websocket"), "/api")
	if rest, ok := strings.CutPrefix(base, "ws"); ok && (strings.HasPrefix(rest, "://") || strings.HasPrefix(rest, "s://")) {
		base = "http" + rest
	}
	return base
}

// Close ends all connections and waits for their goroutines.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	all := c.all
	c.all = nil
	c.mu.Unlock()
	for _, h := range all {
		h.link.Close()
	}
	c.up.Close()
}

// Session is the installation as the owner of a token sees it.
type Session struct {
	client *Client
	token  secret.String
	held   *held
}

// As makes a session. Nothing is asked.
func (c *Client) As(token secret.String) Session {
	key := sha256.Sum256([]byte(token.Reveal()))
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.all[key]
	if h == nil {
		h = &held{link: link.New(link.Options{Dial: c.up, Path: socketPath, Token: token, Log: c.log, Refine: c.refineDial}), regs: registries{turn: make(chan struct{}, 1)}}
		if c.closed {
			h.link.Close() // nobody would later
			return Session{c, token, h}
		}
		c.forgetIdle()
		c.all[key] = h
	}
	return Session{c, token, h}
}

// forgetIdle makes room for another link. An idle link holds no goroutine.
func (c *Client) forgetIdle() {
	for key, h := range c.all {
		if len(c.all) < mostLinks {
			return
		}
		if h.link.Idle() {
			delete(c.all, key)
		}
	}
}

// Is tells whether two sessions have the same credential.
func (s Session) Is(other Session) bool { return s.held == other.held }

// Connection is the number of the credential's connection, another after each loss.
func (s Session) Connection() int64 { return s.held.link.Epoch() }

// ask sends a command that reads and decodes its result into into, unless that is nil.
func (s Session) ask(ctx context.Context, cmd link.Command, into any, what string) error {
	raw, err := s.held.link.Ask(ctx, cmd)
	return s.decode(raw, err, into, what)
}

// do sends a command that changes something, once.
func (s Session) do(ctx context.Context, cmd link.Command, into any, what string) error {
	raw, err := s.held.link.Do(ctx, cmd)
	return s.done(raw, err, into, what)
}

// done is decode for what has changed something: an answer that nobody can read is as
// good as none.
func (s Session) done(raw []byte, err error, into any, what string) error {
	if err == nil && s.decode(raw, nil, into, what) != nil {
		return undetermined(garbage())
	}
	return s.decode(raw, err, nil, what)
}

func (s Session) decode(raw []byte, err error, into any, what string) error {
	if err != nil {
		return refine(err, what)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return garbage()
	}
	return nil
}

// list is ask for a result that is an array, of which each row is read by itself.
func list[T any](ctx context.Context, s Session, cmd link.Command, what string) ([]T, error) {
	var raw []json.RawMessage
	if err := s.ask(ctx, cmd, &raw, what); err != nil {
		return nil, err
	}
	return rows[T](raw), nil
}

// rows decodes what can be decoded. A row that cannot is left out.
func rows[T any](raw []json.RawMessage) []T {
	all := make([]T, 0, len(raw))
	for _, r := range raw {
		var row T
		if json.Unmarshal(r, &row) == nil {
			all = append(all, row)
		}
	}
	return all
}

// rest sends a request of the REST API.
func (s Session) rest(ctx context.Context, req kit.Request) (kit.Answer, error) {
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Authorization", "Bearer "+s.token.Reveal())
	into := req.Into
	req.Into = nil
	a, err := s.client.up.Call(ctx, req)
	if err != nil {
		return a, s.client.refineREST(err)
	}
	if into != nil && json.Unmarshal(a.Body, into) != nil {
		return a, garbage()
	}
	return a, nil
}

// whole is a JSON value as it is, compact.
func whole(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
