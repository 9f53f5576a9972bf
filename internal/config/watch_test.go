package config_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"drawbridge/internal/config"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, other := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "other.yaml")
	write(t, file, "listen: :1")
	c := load(t, config.Source{File: file, Dir: dir})
	write(t, file, "listen: :2") // before the watch has begun
	w, err := config.Watch(slog.New(slog.DiscardHandler), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changed, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, func() { changed <- struct{}{} })
	}()
	steps := []func(){
		func() {},
		func() { write(t, file, "two") },
		func() { // as editors do it
			write(t, other, "three")
			if err := os.Rename(other, file); err != nil {
				t.Fatal(err)
			}
		},
		func() { write(t, filepath.Join(dir, ".env"), "A=b") },
		func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
	}
	for _, step := range steps {
		step()
		<-changed
	}
	cancel()
	<-done
}

func TestWatch_noFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone")
	write(t, filepath.Join(dir, "c.yaml"), "")
	c := load(t, config.Source{File: "c.yaml", Dir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Watch(slog.New(slog.DiscardHandler), c); err == nil {
		t.Fatal("a folder that is not there is watched")
	}
}
