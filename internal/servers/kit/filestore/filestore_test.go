package filestore_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
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
	s, dir := open(t, filestore.Limits{File: 10, User: 15, All: 20, Keep: time.Hour}, &now)
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
