package sequentialthinking_test

import (
	"testing"

	"drawbridge/internal/servers/kittest/pagetest"
)

// The examples of the page are made in order, by somebody who has not thought before.
func TestHowTo(t *testing.T) {
	t.Parallel()
	pagetest.HowTo{Page: "thinking.md", Client: client(t, "admin")}.Run(t)
}
