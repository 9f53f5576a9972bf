package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"drawbridge/internal/app"
	"drawbridge/internal/config"
	"drawbridge/internal/servers"
	"drawbridge/internal/store"
)

// settingFlags are the flags of every command that reads the configuration.
func settingFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "configuration `FILE` (YAML or JSON)"},
		&cli.StringFlag{Name: "state-dir", Usage: "`DIR` of the database and other state"},
	}, more...)
}

// source is where this command's configuration comes from.
func (p *program) source(cmd *cli.Command) config.Source {
	src := config.Source{File: cmd.String("config"), Flags: map[string]string{}, Environ: p.environ}
	for _, name := range []string{"listen", "state-dir"} {
		if cmd.IsSet(name) {
			src.Flags[name] = cmd.String(name)
		}
	}
	return src
}

// load reads the configuration and tells notices and faults.
func (p *program) load(src config.Source) (*config.Config, error) {
	c, notices, err := config.Load(src)
	p.note(notices)
	if err == nil {
		return c, nil
	}
	fmt.Fprintf(p.err, "%s\n", clean(err.Error()))
	fmt.Fprintln(p.err, "drawbridge: the configuration cannot be used; correct the above and try again")
	return nil, errSaid
}

// noteMissing tells of settings for built-in servers that this version lacks.
func (p *program) noteMissing(c *config.Config) {
	for _, name := range config.BuiltInNames() {
		if _, there := servers.Find(name); !there && c.Servers[name].On(false) {
			fmt.Fprintf(p.err, "note: servers.%s: this version has no such built-in server; its settings are kept for one that has\n", name)
		}
	}
}

// logger writes to standard error, where it never mixes with output.
func (p *program) logger(c *config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log.Level)) // config takes no other words
	opts := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "text" || c.Log.Format == "auto" && isTerminal(p.err) {
		return slog.New(slog.NewTextHandler(p.err, opts))
	}
	return slog.New(slog.NewJSONHandler(p.err, opts))
}

// quiet is the logger of commands that answer a question: only what is wrong.
func (p *program) quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelError}))
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// openStore opens the database of the configuration.
func (p *program) openStore(ctx context.Context, cmd *cli.Command) (*config.Config, *store.Store, error) {
	c, err := p.load(p.source(cmd))
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(ctx, p.quiet(), app.StoreConfig(c))
	return c, s, err
}

// keepFirst saves what a first start made where no one sees a terminal block, so
// that it is not lost.
func (p *program) keepFirst(a *app.App) error {
	path, err := a.KeepFirst()
	if path != "" {
		fmt.Fprintf(p.err, "This was the first start. The admin key is in %s; read it, then delete it.\n", path)
	}
	return err
}

// inProcess starts the gateway without a listener; stop must be called.
func (p *program) inProcess(ctx context.Context, log *slog.Logger, c *config.Config) (a *app.App, stop func() error, err error) {
	if a, err = app.New(ctx, log, c, app.Options{Version: version, Environ: p.environ}); err != nil {
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

// clean takes out of text what a terminal would obey: names and descriptions
// come from backends.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\ufffd'
	}, text)
}

// table writes rows as aligned columns.
func table(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(clean(cell))
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}
