package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/app"
	"drawbridge/internal/config"
	"drawbridge/internal/servers"
)

// noteMissing tells of settings for built-in servers that this version lacks.
func (p *program) noteMissing(c *config.Config) {
	for _, name := range config.BuiltInNames() {
		if _, there := servers.Find(name); !there && c.Servers[name].On(false) {
			fmt.Fprintf(p.Err, "note: servers.%s: this version has no such built-in server; its settings are kept for one that has\n", name)
		}
	}
}

// logger writes to standard error, where it never mixes with output.
func (p *program) logger(c *config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log.Level)) // config takes no other words
	opts := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "text" || c.Log.Format == "auto" && shell.IsTerminal(p.Err) {
		return slog.New(slog.NewTextHandler(p.Err, opts))
	}
	return slog.New(slog.NewJSONHandler(p.Err, opts))
}

// keepFirst saves what a first start made where no one sees a terminal block, so
// that it is not lost.
func (p *program) keepFirst(a *app.App) error {
	path, err := a.KeepFirst()
	if path != "" {
		fmt.Fprintf(p.Err, "This was the first start. The admin key is in %s; read it, then delete it.\n", path)
	}
	return err
}

// inProcess starts the gateway without a listener; stop must be called.
func (p *program) inProcess(ctx context.Context, log *slog.Logger, c *config.Config) (a *app.App, stop func() error, err error) {
	if a, err = app.New(ctx, log, c, app.Options{Version: version, Environ: p.Environ}); err != nil {
		return nil, nil, err
	}
	stop = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		return a.Stop(ctx)
	}
	err = p.keepFirst(a)
	if err == nil {
		err = a.StartQuiet(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return a, stop, nil
}

// signals are those that a service obeys. From now on they end nothing by
// themselves.
func signals() <-chan os.Signal {
	// Of several signals, one must not be lost while another is handled.
	c := make(chan os.Signal, 4)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	return c
}

// interruptible ends ctx when the user gives up, so that a command still stops
// what it started.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
}
