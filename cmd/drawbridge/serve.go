package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/app"
	"drawbridge/internal/config"
)

// drainTime is how long calls in flight may go on after the first signal.
const drainTime = 25 * time.Second

func (p *program) serveCommand() *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "run the gateway",
		Description: "SIGHUP and a changed configuration file reload the backends, all or nothing.\n" +
			"SIGTERM lets calls in flight finish for up to 25 seconds; a second one does not wait.",
		Flags: shell.SettingFlags(
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` to serve on (default 127.0.0.1:4444)"},
			&cli.BoolFlag{Name: "stdio", Usage: "serve standard input and output instead, for desktop clients"},
		),
		Action: p.serve,
	}
}

func (p *program) serve(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	c, err := p.Load(p.Source(cmd))
	if err != nil {
		return err
	}
	p.noteMissing(c)
	ready := p.tuneMemory()
	log := p.logger(c)
	slog.SetDefault(log) // for libraries; our own parts get theirs handed in
	a, err := app.New(ctx, log, c, app.Options{Version: version, Environ: p.Environ, Terminal: p.terminal(cmd.Bool("stdio"))})
	if err != nil {
		return err
	}
	s := &service{p: p, log: log, app: a, cfg: c, src: p.Source(cmd), signals: signals()}
	s.onTerminal = p.terminal(false) != nil
	if cmd.Bool("stdio") {
		s.reserve = ready()
		err = s.overStdio(ctx)
	} else if err = a.Start(ctx); err == nil {
		s.reserve = ready()
		err = s.wait(ctx, a.Wait())
	}
	return errors.Join(err, s.stop(ctx))
}

// Memory settings of a server, unless the environment names others: the heap of a
// gateway is small, so collecting it less often costs little and saves time on
// every call; the limit keeps a burst of large results in bounds. Starting makes
// much that is needed once, and what stays must not lie scattered among it.
//
// The reserve counts as live, so that the next collection waits for five times as much
// more, but is never touched, so it takes no memory. What a few users keep alive is so
// little that without it there would be several collections a second under load.
const (
	startPercent = 50
	gcPercent    = 400
	memoryLimit  = 1 << 30
	reserve      = 4 << 20
)

// tuneMemory is for the time of starting; what it returns, for the time after: it gives
// the reserve, to be held.
func (p *program) tuneMemory() (ready func() []byte) {
	if !p.set("GOMEMLIMIT") {
		debug.SetMemoryLimit(memoryLimit)
	}
	if p.set("GOGC") {
		return func() []byte { return nil }
	}
	debug.SetGCPercent(startPercent)
	return func() []byte {
		debug.SetGCPercent(gcPercent)
		return make([]byte, reserve)
	}
}

// set tells whether the environment has a variable.
func (p *program) set(name string) bool {
	return slices.ContainsFunc(p.Environ, func(e string) bool { return strings.HasPrefix(e, name+"=") })
}

// terminal is where first secrets may be shown, or nil.
func (p *program) terminal(stdio bool) io.Writer {
	if !stdio && shell.IsTerminal(p.Out) {
		return p.Out
	}
	if shell.IsTerminal(p.Err) {
		return p.Err
	}
	return nil
}

// service is a running gateway with what moves it: signals and changed files.
type service struct {
	p   *program
	log *slog.Logger
	app *app.App
	cfg *config.Config
	src config.Source

	signals    <-chan os.Signal
	onTerminal bool
	reserve    []byte // see tuneMemory
}

func (s *service) overStdio(ctx context.Context) error {
	if err := s.p.keepFirst(s.app); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.app.ServeStdio(ctx, s.p.In, s.p.Out) }() // ends with ctx; awaited in wait or left to the end of the process
	return s.wait(ctx, done)
}

// wait obeys signals and reloads until something ends the service.
func (s *service) wait(ctx context.Context, ended <-chan error) error {
	changed := make(chan struct{}, 1)
	w := s.watch(ctx, changed)
	defer func() { w.stop() }()
	for {
		select {
		case err := <-ended:
			return err
		case err := <-s.app.Wait():
			return err
		case sig := <-s.signals:
			if sig != syscall.SIGHUP || s.hungUp() {
				s.log.Info("stopping; calls in flight may finish", "signal", sig.String(), "at_most", drainTime.String())
				return nil
			}
		case <-changed:
		}
		if s.reload(ctx) {
			w.stop()
			w = s.watch(ctx, changed)
		}
	}
}

// hungUp tells a SIGHUP that came because the terminal is gone, and with it
// whoever would stop the program, from one that asks for a reload.
func (s *service) hungUp() bool {
	return s.onTerminal && !shell.IsTerminal(s.p.Out) && !shell.IsTerminal(s.p.Err)
}

// reload reads the configuration again; a faulty one changes nothing.
func (s *service) reload(ctx context.Context) bool {
	next, notices, err := config.Load(s.src)
	for _, n := range notices {
		s.log.Warn("configuration", "note", n.String())
	}
	if err == nil {
		err = s.app.Reload(ctx, next)
	}
	if err != nil {
		s.log.Error("configuration not reloaded; the old one stays in force", "error", err)
		return false
	}
	if names := s.cfg.NeedsRestart(next); len(names) > 0 {
		s.log.Warn("some changed settings need a restart", "settings", names)
	}
	s.log.Info("configuration reloaded", "file", next.File())
	again := !slices.Equal(s.cfg.Files(), next.Files())
	s.cfg = next
	return again
}

// watching is a watcher at work.
type watching struct {
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func (w *watching) stop() {
	w.cancel()
	w.work.Wait()
}

// watch tells changed of changed files. Without a watcher SIGHUP still works.
func (s *service) watch(ctx context.Context, changed chan<- struct{}) *watching {
	ctx, cancel := context.WithCancel(ctx)
	w := &watching{cancel: cancel}
	watcher, err := config.Watch(s.log, s.cfg)
	if err != nil {
		s.log.Warn("changes of the configuration file go unnoticed; send SIGHUP to reload", "error", err)
		return w
	}
	w.work.Go(func() { // ends with cancel, awaited by stop
		watcher.Run(ctx, func() {
			select {
			case changed <- struct{}{}:
			default: // a reload is due already
			}
		})
	})
	return w
}

// stop drains; another signal cuts that short.
func (s *service) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.app.Stop(ctx) }() // awaited below
	for {
		select {
		case err := <-done:
			return err
		case sig := <-s.signals:
			if sig != syscall.SIGHUP {
				s.log.Warn("stopping at once", "signal", sig.String())
				cancel()
			}
		}
	}
}
