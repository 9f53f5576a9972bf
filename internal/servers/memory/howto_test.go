package memory_test

import (
	"testing"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
	"drawbridge/internal/servers/memory"
)

// The examples of the page are made in order, in an empty memory.
func TestHowTo(t *testing.T) {
	t.Parallel()
	pagetest.HowTo{Page: "memory.md", Client: client(t, kittest.Engines(memory.Name)[0].Open(t), "admin")}.Run(t)
}
