package store

// An internal test, because only the writer's own connection can be told that
// the disk is full.

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

func TestStore_diskFull(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), slog.New(slog.DiscardHandler), Config{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "before", Role: account.RoleAdmin, Rights: account.FullRights()}); err != nil {
		t.Fatal(err)
	}
	limit := func(pages string) {
		t.Helper()
		if _, err := s.writer.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	big := Backend{Name: "big", Spec: fmt.Appendf(nil, "%q", strings.Repeat("x", 1<<20))}

	limit("1") // no more than there are now
	err = s.PutBackend(t.Context(), big)
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(fault.PublicOf(err), "Free some space") {
		t.Errorf("write: %v", err)
	}
	if keys, err := s.LiveKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("keys are still read: %v %v", keys, err)
	}
	if _, err := s.KeysVersion(); err != nil || s.Err() != nil {
		t.Errorf("a full disk is no reason to refuse everybody: %v %v", err, s.Err())
	}
	limit("1000000")
	if err := s.PutBackend(t.Context(), big); err != nil {
		t.Errorf("with space again: %v", err)
	}
}
