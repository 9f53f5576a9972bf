package app

import (
	"log/slog"
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote"
	"drawbridge/internal/backend/stdio"
	"drawbridge/internal/config"
	"drawbridge/internal/mcpwire"
)

// Dialer makes what reaches a remote or stdio backend, for a gateway or to try
// the backend alone. It connects to nothing.
func Dialer(log *slog.Logger, cfg *config.Config, opts Options, b config.Backend) (backend.Dialer, backend.Transport, error) {
	if b.Type == config.TypeStdio {
		return stdio.New(log, opts.stdioConfig(b)), backend.Stdio, nil
	}
	transport := backend.StreamableHTTP
	if b.Type == config.TypeSSE {
		transport = backend.HTTPSSE
	}
	d, err := remote.New(log, remote.Config{
		Name: b.Name, URL: b.URL, Transport: transport, Headers: b.Headers, Bearer: b.Token,
		MaxMessage: int64(cfg.Limits.AnswerEvent), Self: opts.clientInfo(),
	})
	return d, transport, err
}

// clientInfo is how Drawbridge names itself to backends.
func (o Options) clientInfo() []byte {
	info := mcpwire.AppendString([]byte(`{"name":"drawbridge","version":`), o.Version)
	return append(info, '}')
}

// lookup is the environment variable of a name.
func (o Options) lookup(name string) (string, bool) {
	for _, entry := range o.Environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// stdioConfig turns the settings of a command into the dialer's. Every value of
// its environment may be a secret, so none may show in what it writes to stderr.
func (o Options) stdioConfig(b config.Backend) stdio.Config {
	c := stdio.Config{Name: b.Name, Command: b.Command, Args: b.Args, Dir: b.Cwd, Interactive: b.Interactive, ClientInfo: o.clientInfo()}
	c.Env = stdio.BaseEnv(o.lookup)
	for _, name := range slices.Sorted(maps.Keys(b.Env)) {
		c.Env = append(c.Env, name+"="+b.Env[name].Reveal())
		c.Secrets = append(c.Secrets, b.Env[name])
	}
	return c
}
