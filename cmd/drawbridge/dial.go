package main

import (
	"log/slog"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote"
	"drawbridge/internal/backend/stdio"
	"drawbridge/internal/config"
)

// dialer reaches one backend directly, without a gateway around it.
func dialer(log *slog.Logger, c *config.Config, b config.Backend) (backend.Dialer, error) {
	if b.Type == config.TypeStdio {
		cfg := stdio.Config{Name: b.Name, Command: b.Command, Args: b.Args, Dir: b.Cwd}
		for name, value := range b.Env {
			cfg.Env = append(cfg.Env, name+"="+value.Reveal())
			cfg.Secrets = append(cfg.Secrets, value)
		}
		return stdio.New(log, cfg), nil
	}
	transport := backend.StreamableHTTP
	if b.Type == config.TypeSSE {
		transport = backend.HTTPSSE
	}
	return remote.New(log, remote.Config{
		Name: b.Name, URL: b.URL, Transport: transport, Headers: b.Headers, Bearer: b.Token,
		MaxMessage: int64(c.Limits.AnswerEvent),
	})
}
