package filestore_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/filestore"
)

func open(t *testing.T, l filestore.Limits, now *time.Time) (*filestore.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := filestore.Open(dir, l, func() time.Time { return *now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("Close leaves %v", left)
		}
	})
	return s, dir
}

func put(t *testing.T, s *filestore.Store, user, name, content string) (filestore.File, error) {
	t.Helper()
	return s.Put(t.Context(), user, filestore.File{Name: name, MIMEType: "text/plain"}, strings.NewReader(content))
}

func TestStore(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 28, 0, 0, 0, 0, time.UTC)
	s, dir := open(t, filestore.Limits{File: 10, User: 15, All: 20, UserFiles: 9, AllFiles: 9, Keep: time.Hour}, &now)
	f, err := put(t, s, "ann", "../../etc/p\x00asswd", "hello")
	if err != nil || f.Name != "passwd" || f.Size != 5 {
		t.Fatalf("%+v, %v", f, err)
	}
	content, got, err := s.Open(t.Context(), "ann", f.Ref)
	if err != nil || got != f {
		t.Fatalf("%+v, %v", got, err)
	}
	text, err := io.ReadAll(content)
	if string(text) != "hello" || err != nil || content.Close() != nil {
		t.Errorf("%q, %v", text, err)
	}
	for user, ref := range map[string]string{"bob": f.Ref, "ann": "file_x", "eve": "../" + f.Ref} {
		if _, _, err := s.Open(t.Context(), user, ref); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s opens %s: %v", user, ref, err)
		}
	}
	if _, err := put(t, s, "eve", "", "12345678901"); fault.CodeOf(err) != fault.Limited {
		t.Errorf("a file beyond the limit: %v", err)
	}
	if _, err := put(t, s, "ann", "", "1234567890"); err != nil {
		t.Errorf("up to the user's limit: %v", err)
	}
	if _, err := put(t, s, "ann", "", "1"); fault.CodeOf(err) != fault.Limited {
		t.Errorf("beyond the user's limit: %v", err)
	}
	if _, err := put(t, s, "bob", "", "123456"); fault.CodeOf(err) != fault.Limited {
		t.Errorf("beyond the limit of all: %v", err)
	}
	now = now.Add(time.Hour + time.Second)
	if _, _, err := s.Open(t.Context(), "ann", f.Ref); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("an expired file opens: %v", err)
	}
	if _, err := put(t, s, "bob", "", "123456"); err != nil {
		t.Errorf("room that expired files had: %v", err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(kept) != 1 {
		t.Errorf("on disk: %v, %v", kept, err)
	}
}

// Empty files take no bytes, but an entry in the folder and memory each.
func TestStore_numberOfFiles(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 28, 0, 0, 0, 0, time.UTC)
	s, _ := open(t, filestore.Limits{File: 10, User: 10, All: 100, UserFiles: 3, AllFiles: 5, Keep: time.Hour}, &now)
	fill := func(user string, n, fits int) {
		t.Helper()
		for i := range n {
			if _, err := put(t, s, user, "", ""); (err == nil) != (i < fits) || err != nil && fault.CodeOf(err) != fault.Limited {
				t.Errorf("file %d of %s: %v", i+1, user, err)
			}
		}
	}
	fill("ann", 4, 3)
	fill("bob", 3, 2) // five in all
	fill("eve", 1, 0)
	now = now.Add(time.Hour + time.Second)
	fill("ann", 4, 3)
}

// slow is content that comes when its test says so.
type slow struct{ begun, goOn chan struct{} }

func (s slow) Read([]byte) (int, error) {
	close(s.begun)
	<-s.goOn
	return 0, io.EOF
}

// Files that are being written count, also those that never come to their end.
func TestStore_numberAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s, dir := open(t, filestore.Limits{File: 10, User: 10, All: 100, UserFiles: 2, AllFiles: 3, Keep: time.Hour}, &now)
	var all sync.WaitGroup
	goOn := make(chan struct{})
	for range 2 {
		content := slow{make(chan struct{}), goOn}
		all.Go(func() {
			if _, err := s.Put(t.Context(), "ann", filestore.File{}, content); err != nil {
				t.Error(err)
			}
		})
		<-content.begun
	}
	if _, err := put(t, s, "ann", "", ""); fault.CodeOf(err) != fault.Limited {
		t.Errorf("a third while two are written: %v", err)
	}
	if parts, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(parts) != 2 {
		t.Errorf("on disk: %v, %v", parts, err)
	}
	if _, err := s.Put(t.Context(), "bob", filestore.File{}, broken{}); fault.CodeOf(err) == fault.Limited || err == nil {
		t.Errorf("somebody else's, which breaks: %v", err)
	}
	if _, err := put(t, s, "bob", "", ""); err != nil {
		t.Errorf("the place of one that broke is free again: %v", err)
	}
	close(goOn)
	all.Wait()
}

func TestOpen_needsLimits(t *testing.T) {
	t.Parallel()
	limits := filestore.DefaultLimits()
	limits.UserFiles = 0
	if _, err := filestore.Open(t.TempDir(), limits, time.Now); err == nil {
		t.Error("a limit that was forgotten is none")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestStore_failedPut(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s, dir := open(t, filestore.DefaultLimits(), &now)
	if _, err := s.Put(t.Context(), "ann", filestore.File{}, broken{}); err == nil {
		t.Error("half a file was kept")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, "ann", filestore.File{}, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) != 0 {
		t.Errorf("left on disk: %v", left)
	}
}
