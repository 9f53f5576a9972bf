// Package remote reaches MCP servers over HTTP: Streamable HTTP of every revision
// and the older HTTP+SSE.
//
// A Dialer finds out which of them a backend speaks (probe.go), remembers it, and
// asks again when the backend turns out to be something else. There is one Peer
// per era: modern here, which has no state; the two kinds of session in legacy.
// Below them line is what all sessions to a backend share, answer reads answers,
// and rawhttp is the HTTP client.
//
// Nothing is ever sent twice that a backend may have acted on: the one exception
// is a request that a backend refused because it does not know its session. What
// a backend sends is checked before anybody sees it; what breaks the rules, a
// refused credential and a lost connection become one clear error of ours, and
// never the backend's HTTP status.
package remote

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// Config says where a backend is and how to speak to it. Zero values stand for
// the defaults; nothing is ever unlimited.
type Config struct {
	Name      string
	URL       string
	Transport backend.Transport // backend.HTTPSSE for the older transport; else it is found out
	Headers   map[string]secret.String
	Bearer    secret.String
	Proxy     string // URL of an HTTP proxy; "" is none
	Self      []byte // the gateway's clientInfo, raw object

	Handshake  time.Duration // one step of it; default 10 s
	FirstByte  time.Duration // until the answer to a call begins; default 5 min
	MaxMessage int64         // bytes of one answer or event; default 64 MiB
}

// Dialer opens sessions to one backend. All of them share its line.
type Dialer struct {
	log  *slog.Logger
	cfg  Config
	line *line.Line
	http rawhttp.Doer

	mu  sync.Mutex // guards era
	era era
}

var _ backend.Dialer = (*Dialer)(nil)

// New checks the configuration. It connects to nothing.
func New(log *slog.Logger, cfg Config) (*Dialer, error) {
	base, err := address(cfg.URL, "The URL of backend "+cfg.Name)
	if err != nil {
		return nil, err
	}
	o := rawhttp.Options{URL: base, Control: refuseMetadata}
	if cfg.Proxy != "" {
		if o.Proxy, err = address(cfg.Proxy, "The proxy of backend "+cfg.Name); err != nil {
			return nil, err
		}
		o.Control = nil // the proxy, not the backend, is what we connect to
	}
	if o.Header, err = commonHeader(cfg); err != nil {
		return nil, err
	}
	d := &Dialer{log: log, cfg: cfg, http: rawhttp.New(o)}
	d.line = line.New(log, settings(cfg), base, d.http)
	d.line.Changed = d.forget
	d.forget()
	return d, nil
}

// settings fills in the defaults.
func settings(cfg Config) line.Settings {
	s := line.Settings{
		Name: cfg.Name, Self: cfg.Self,
		Handshake:  cmp.Or(cfg.Handshake, 10*time.Second),
		FirstByte:  cmp.Or(cfg.FirstByte, 5*time.Minute),
		MaxMessage: cmp.Or(cfg.MaxMessage, 64<<20),
	}
	if s.Self == nil {
		s.Self = []byte(`{"name":"drawbridge","version":"0"}`)
	}
	return s
}

// Shared is false: whether one session serves all is known after the handshake.
func (d *Dialer) Shared() bool { return false }

// Close drops idle connections. Peers are closed by their owner.
func (d *Dialer) Close() { d.http.Close() }

// commonHeader is what goes with every request.
func commonHeader(cfg Config) ([]byte, error) {
	h, _ := rawhttp.AppendField(nil, "User-Agent", "drawbridge")
	h, _ = rawhttp.AppendField(h, "Accept-Encoding", "identity")
	var ok bool
	for _, name := range slices.Sorted(maps.Keys(cfg.Headers)) {
		if reserved(name) || !cfg.Bearer.Empty() && strings.EqualFold(name, "Authorization") {
			return nil, fault.New(fault.Invalid, "The header %q of backend %s cannot be set: Drawbridge writes it itself. Remove it from headers.", name, cfg.Name)
		}
		if h, ok = rawhttp.AppendField(h, name, cfg.Headers[name].Reveal()); !ok {
			return nil, fault.New(fault.Invalid, "The header %q of backend %s has a forbidden character in its name or value. Correct it in headers.", name, cfg.Name)
		}
	}
	if cfg.Bearer.Empty() {
		return h, nil
	}
	if h, ok = rawhttp.AppendField(h, "Authorization", "Bearer "+cfg.Bearer.Reveal()); !ok {
		return nil, fault.New(fault.Invalid, "The token of backend %s has a forbidden character. Look for a line break at its end.", cfg.Name)
	}
	return h, nil
}

// reserved tells the headers that carry the protocol.
func reserved(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "host", "content-length", "content-type", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
		"expect", "accept", "accept-encoding", "last-event-id":
		return true
	}
	return strings.HasPrefix(name, "mcp-")
}

// forget makes the next Dial find out anew what the backend speaks.
func (d *Dialer) forget() {
	if d.cfg.Transport == backend.HTTPSSE {
		d.remember(eraSSE)
		return
	}
	d.remember(eraUnknown)
}

func (d *Dialer) remember(e era) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.era = e
}

func (d *Dialer) known() era {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.era
}
