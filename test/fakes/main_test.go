package main

import (
	"context"
	"strings"
	"testing"
)

// Each fake says how it is reached, can be, and ends when it is told to.
func TestFakes(t *testing.T) {
	t.Parallel()
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var said []string
			if err := run(ctx, "127.0.0.1:0", func(settings ...string) { said = settings; stop() }); err != nil {
				t.Fatal(err)
			}
			if len(said) < 2 || !strings.Contains(said[0], "_URL=http") {
				t.Errorf("said %q", said)
			}
			for _, s := range said {
				if _, value, _ := strings.Cut(s, "="); value == "" {
					t.Errorf("%s is empty", s)
				}
			}
		})
	}
	for _, args := range [][]string{nil, {"nothing"}, {"truenas", "127.0.0.1:0", "more"}, {"erpnext", "no address"}, {"homeassistant", "no address"}, {"truenas", "no address"}} {
		if run(t.Context(), args) == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
