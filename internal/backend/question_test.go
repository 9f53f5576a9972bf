package backend_test

import (
	"maps"
	"testing"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

func TestCause(t *testing.T) {
	t.Parallel()
	own, modern := &mcpwire.Caller{}, &mcpwire.Caller{Revision: mcpwire.Rev20260728}
	a, b := &mcpwire.Caller{Revision: mcpwire.Rev20251125, Session: "a"}, &mcpwire.Caller{Revision: mcpwire.Rev20251125, Session: "b"}
	for _, tt := range []struct {
		name  string
		calls map[int64]*mcpwire.Caller
		want  *mcpwire.Caller
		n     int
	}{
		{"none", nil, nil, 0},
		{"our own alone", map[int64]*mcpwire.Caller{1: own, 2: nil}, nil, 0},
		{"one", map[int64]*mcpwire.Caller{1: a}, a, 1},
		{"one and our own", map[int64]*mcpwire.Caller{1: a, 2: own, 3: nil}, a, 1},
		{"one client's", map[int64]*mcpwire.Caller{1: a, 5: a, 3: a}, a, 3},
		{"two clients'", map[int64]*mcpwire.Caller{1: a, 2: b}, nil, 2},
		{"one that has no session", map[int64]*mcpwire.Caller{1: modern}, modern, 1},
		{"several that have none", map[int64]*mcpwire.Caller{1: modern, 2: modern}, nil, 2},
	} {
		got, n, ok := backend.Cause(maps.All(tt.calls), func(c *mcpwire.Caller) *mcpwire.Caller { return c })
		if ok != (tt.want != nil) || ok && got != tt.want || n != tt.n {
			t.Errorf("%s: %v %d %v", tt.name, got, n, ok)
		}
	}
}
