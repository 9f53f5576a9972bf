package catalogue

import (
	"regexp"
	"strings"
	"testing"
)

// Internal, since names are decided deep inside and shown only by lists.
func TestExposedName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("verbose_", 10)
	tests := []struct{ prefix, original, want string }{
		{"git", "status", "git_status"},
		{"", "status", "status"},
		{"git", "git_status", "git_status"},
		{"git", "git", "git"},
		{"git", "gitx", "git_gitx"},
		{"a", "x.y/z", "a_x_y_z"},
		{"", "9lives", "x9lives"},
		{"", "", "x"},
		{"", long[:64], long[:64]},
	}
	for _, tt := range tests {
		if got := exposedName(tt.prefix, tt.original); got != tt.want {
			t.Errorf("exposedName(%q, %q) = %q, want %q", tt.prefix, tt.original, got, tt.want)
		}
	}
	fit := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
	for _, tt := range []struct {
		prefix string
		limit  int
	}{{"server", 40}, {"", 64}} {
		a, b := exposedName(tt.prefix, long+"a"), exposedName(tt.prefix, long+"b")
		if a == b || len(a) != tt.limit || !fit.MatchString(a) {
			t.Errorf("long names: %q, %q", a, b)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(encodeCursor(7, 12), uint64(7))
	f.Add("MS4y", uint64(1))
	f.Add("", uint64(0))
	f.Fuzz(func(t *testing.T, cursor string, generation uint64) {
		n, ok := decodeCursor(cursor, generation)
		if ok && encodeCursor(generation, n) != cursor {
			t.Errorf("decodeCursor(%q, %d) = %d, which encodes differently", cursor, generation, n)
		}
		if ok && n < 0 {
			t.Errorf("negative offset %d", n)
		}
	})
}
