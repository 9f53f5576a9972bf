package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"drawbridge/internal/config/tree"
)

// settle is how long a file must be quiet before it counts as written: editors
// and Kubernetes write in several steps.
const settle = 300 * time.Millisecond

// Watcher sees changes of configuration files.
type Watcher struct {
	log   *slog.Logger
	files []string
	seen  [sha256.Size]byte
	w     *fsnotify.Watcher
}

// Watch starts to look at files. It watches their folders, because editors
// replace files and Kubernetes swaps a link above them. Run must follow; it lets
// go of them.
func Watch(log *slog.Logger, files []string) (*Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("start watching files: %w", err)
	}
	var folders []string
	for _, f := range files {
		if dir := filepath.Dir(f); !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
	}
	for _, dir := range folders {
		if err := w.Add(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("watch folder: %w", err), w.Close())
		}
	}
	return &Watcher{log: log, files: files, seen: digest(files), w: w}, nil
}

// Run calls changed each time the content of one of the files has changed, until
// ctx ends. Calls of changed never overlap.
func (w *Watcher) Run(ctx context.Context, changed func()) {
	defer w.w.Close() //nolint:errcheck // nothing is left to lose
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.w.Events:
			quiet.Reset(settle)
		case err := <-w.w.Errors:
			// An overflow loses events, not changes: the content is compared anyway.
			w.log.WarnContext(ctx, "watching configuration files", "error", err)
			quiet.Reset(settle)
		case <-quiet.C:
			if now := digest(w.files); now != w.seen {
				w.seen = now
				changed()
			}
		}
	}
}

// digest is of the content of all files; one that cannot be read counts as empty.
func digest(files []string) [sha256.Size]byte {
	h := sha256.New()
	for _, f := range files {
		data, err := tree.ReadFile(f)
		fmt.Fprintf(h, "%s %t %d\n", f, err == nil, len(data))
		h.Write(data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
