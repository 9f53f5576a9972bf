// Package stdio runs MCP servers as child processes and speaks to them over
// standard input and output, one JSON-RPC message a line.
//
// A Dialer holds what is configured; each Dial starts a process in its own
// process group, learns its era (protocol reference 2.1) and gives a Peer.
// Nothing of a process outlives its Peer: Close asks, tells and kills, and what
// the process has started goes with it, even if it left the group (Linux).
//
// One process usually serves all callers, but a legacy server does not say which
// call made it ask or log. So questions go to a caller only while exactly one
// call runs, and are declined otherwise (protocol reference 2.5, 2.6).
package stdio

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os/exec"
	"sync/atomic"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

// MaxLine is the longest message in either direction.
const MaxLine = 16 << 20

// Config is one command. Env is all that the process sees: nothing of our own
// environment is added but what the caller of New put there, see BaseEnv.
type Config struct {
	Name        string
	Command     string
	Args        []string
	Env         []string // NAME=value; a later one wins
	Dir         string
	Interactive bool            // an own process for every client, so that questions find theirs
	Secrets     []secret.String // values that must not show in Stderr

	ClientInfo   []byte        // the gateway's clientInfo, raw; default names drawbridge
	ProbeTimeout time.Duration // how long a server may be silent about server/discover; default 3 s
	Grace        Grace
}

// Grace is how long a process gets to end.
type Grace struct {
	EOF  time.Duration // after its input has ended; default 2 s
	Term time.Duration // after SIGTERM; default 3 s
}

// era is what a dial has learned of a command.
type era int32

const (
	unknown era = iota
	legacy
	modern
)

// Dialer starts processes of one command.
type Dialer struct {
	log    *slog.Logger
	cfg    Config
	stderr *ring
	era    atomic.Int32 // of the last handshake
}

// New makes a Dialer. Nothing runs before Dial.
func New(log *slog.Logger, cfg Config) *Dialer {
	if log == nil {
		panic("stdio.New: no logger")
	}
	if cfg.ClientInfo == nil {
		cfg.ClientInfo = []byte(`{"name":"drawbridge","version":"0"}`)
	}
	cfg.ProbeTimeout = cmp.Or(cfg.ProbeTimeout, 3*time.Second)
	cfg.Grace.EOF = cmp.Or(cfg.Grace.EOF, 2*time.Second)
	cfg.Grace.Term = cmp.Or(cfg.Grace.Term, 3*time.Second)
	return &Dialer{log: log, cfg: cfg, stderr: newRing(cfg.Secrets)}
}

// Shared is true unless each client gets an own process.
func (d *Dialer) Shared() bool { return !d.cfg.Interactive }

// PerClient is true when each client gets an own process.
func (d *Dialer) PerClient() bool { return d.cfg.Interactive }

// Stderr is the last lines that processes of the command wrote to standard error,
// without known secrets. They are kept when a process ends: they often say why.
func (d *Dialer) Stderr() []string { return d.stderr.lines() }

// Dial starts a process and does the handshake. The process outlives ctx.
func (d *Dialer) Dial(ctx context.Context, hello backend.Hello) (backend.Peer, error) {
	p, err := d.dial(ctx, hello, era(d.era.Load()))
	if errors.Is(err, errDiedProbing) {
		// Some legacy servers end at a message that they do not know. They get
		// another process and are not asked.
		p, err = d.dial(ctx, hello, legacy)
	}
	if err != nil {
		return nil, d.publicly(err)
	}
	return p, nil
}

func (d *Dialer) dial(ctx context.Context, hello backend.Hello, known era) (*peer, error) {
	proc, err := start(d.cfg, d.stderr)
	if err != nil {
		return nil, err
	}
	p := newPeer(d, proc)
	if err := p.handshake(ctx, hello, known); err != nil {
		quick, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel() // what did not get through its handshake has nothing to finish
		_ = p.Close(quick)
		return nil, err
	}
	learned := legacy
	if p.info.Revision.Modern() {
		learned = modern
	}
	d.era.Store(int32(learned))
	return p, nil
}

// publicly gives an error of Dial its code and public text.
func (d *Dialer) publicly(err error) error {
	var exit *exitError
	var refused *mcpwire.Error
	switch {
	case errors.As(err, new(*fault.Error)):
		return err
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(err, fault.Upstream, "The command %q was not found. Install it, or correct the backend's command or cwd.", d.cfg.Command)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(err, fault.Upstream, "The command %q may not be run. Make it executable for the user Drawbridge runs as.", d.cfg.Command)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Timeout, "The process does not answer the handshake. See its last lines on the status page.")
	case errors.As(err, &exit):
		return fault.Wrap(err, fault.Unavailable, "The process ended during the handshake (%s). See its last lines on the status page.", exit.status)
	case errors.As(err, &refused):
		return fault.Wrap(err, fault.Upstream, "The process refuses the handshake with error %d. See its last lines on the status page.", refused.Code)
	}
	return fault.Wrap(err, fault.Unavailable, "The process could not be started or spoken to. The log has the cause.")
}
