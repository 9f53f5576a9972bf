package shell

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"drawbridge/internal/app"
	"drawbridge/internal/config"
	"drawbridge/internal/store"
)

// SettingFlags are the flags of every command that reads the configuration.
func SettingFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "configuration `FILE` (YAML or JSON)"},
		&cli.StringFlag{Name: "state-dir", Usage: "`DIR` of the database and other state"},
	}, more...)
}

// Source is where this command's configuration comes from.
func (s *Shell) Source(cmd *cli.Command) config.Source {
	src := config.Source{File: cmd.String("config"), Flags: map[string]string{}, Environ: s.Environ}
	for _, name := range []string{"listen", "state-dir"} {
		if cmd.IsSet(name) {
			src.Flags[name] = cmd.String(name)
		}
	}
	return src
}

// Load reads the configuration and tells notices and faults.
func (s *Shell) Load(src config.Source) (*config.Config, error) {
	c, notices, err := config.Load(src)
	s.Note(notices)
	if err == nil {
		return c, nil
	}
	fmt.Fprintf(s.Err, "%s\n", Clean(err.Error()))
	fmt.Fprintln(s.Err, "drawbridge: the configuration cannot be used; correct the above and try again")
	return nil, ErrSaid
}

// Note tells what is worth knowing about a configuration.
func (s *Shell) Note(notices []config.Notice) {
	for _, n := range notices {
		fmt.Fprintf(s.Err, "note: %s\n", Clean(n.String()))
	}
}

// Quiet is the logger of commands that answer a question: only what is wrong.
func (s *Shell) Quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelError}))
}

// IsTerminal tells whether a stream is one that a person sits at.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// OpenStore opens the database of the configuration.
func (s *Shell) OpenStore(ctx context.Context, cmd *cli.Command) (*config.Config, *store.Store, error) {
	c, err := s.Load(s.Source(cmd))
	if err != nil {
		return nil, nil, err
	}
	db, err := store.Open(ctx, s.Quiet(), app.StoreConfig(c))
	return c, db, err
}
