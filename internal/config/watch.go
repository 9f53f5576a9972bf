package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"drawbridge/internal/config/tree"
)

// settle is how long a file must be quiet before it counts as written: editors
// and Kubernetes write in several steps.
const settle = 300 * time.Millisecond

// Watcher sees changes of the files of a configuration.
type Watcher struct {
	log  *slog.Logger
	seen []tree.Read
	w    *fsnotify.Watcher
}

// Watch starts to look at the files of c. A change between Load and Watch is seen
// too. It watches their folders, because editors replace files and Kubernetes
// swaps a link above them. Run must follow; it lets go of them.
func Watch(log *slog.Logger, c *Config) (*Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("start watching files: %w", err)
	}
	var folders []string
	for _, f := range c.Files() {
		if dir := filepath.Dir(f); !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
	}
	for _, dir := range folders {
		if err := w.Add(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("watch folder: %w", err), w.Close())
		}
	}
	return &Watcher{log: log, seen: slices.Clone(c.files), w: w}, nil
}

// Run calls changed each time the content of one of the files has changed, until
// ctx ends. Calls of changed never overlap.
func (w *Watcher) Run(ctx context.Context, changed func()) {
	defer w.w.Close()
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-w.w.Events:
			if w.concerns(ev.Name) {
				quiet.Reset(settle)
			}
		case err := <-w.w.Errors:
			// An overflow loses events, not changes: the content is compared anyway.
			w.log.WarnContext(ctx, "watching configuration files", "error", err)
			quiet.Reset(settle)
		case <-quiet.C:
			if w.look() {
				changed()
			}
		}
	}
}

// concerns tells whether a change of name may change a file: it is one, or it is
// a link like Kubernetes' ..data. Other files of the folder, such as a database,
// may change all the time.
func (w *Watcher) concerns(name string) bool {
	return strings.HasPrefix(filepath.Base(name), "..") ||
		slices.ContainsFunc(w.seen, func(r tree.Read) bool { return r.Path == name })
}

// look tells whether a file holds something else than before. One that cannot be
// read counts as empty.
func (w *Watcher) look() (changed bool) {
	for i, was := range w.seen {
		data, _ := tree.ReadFile(was.Path)
		if is := tree.SumOf(was.Path, data); is != was {
			w.seen[i], changed = is, true
		}
	}
	return changed
}
