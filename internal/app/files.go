package app

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/filestore"
)

// files is what calls of built-in servers hand to later calls. Its folder is made
// with the first file: most installations never have one.
type files struct {
	dir string // the folder to make it in

	mu    sync.Mutex // guards store
	store *filestore.Store
}

func (f *files) open() (*filestore.Store, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store != nil {
		return f.store, nil
	}
	store, err := filestore.Open(f.dir, filestore.DefaultLimits(), time.Now)
	if err != nil {
		return nil, fmt.Errorf("keep files: %w", err)
	}
	f.store = store
	return store, nil
}

// Put keeps a file for a user.
func (f *files) Put(ctx context.Context, user string, file kit.File, content io.Reader) (kit.File, error) {
	s, err := f.open()
	if err != nil {
		return kit.File{}, err
	}
	return s.Put(ctx, user, file, content)
}

// Open reads a file of a user.
func (f *files) Open(ctx context.Context, user, ref string) (io.ReadCloser, kit.File, error) {
	s, err := f.open()
	if err != nil {
		return nil, kit.File{}, err
	}
	return s.Open(ctx, user, ref)
}

// close removes what is kept.
func (f *files) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store == nil {
		return nil
	}
	return f.store.Close()
}
