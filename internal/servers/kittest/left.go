package kittest

import (
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// ofServer matches a goroutine that a built-in server started; those of tests
// and of this package are not its own.
var ofServer = regexp.MustCompile(`created by drawbridge/internal/servers/[\w/]+\.`)

// noneLeft waits until no goroutine of a server is left.
func noneLeft(t *testing.T) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for left := serverGoroutines(); len(left) > 0; left = serverGoroutines() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
			return
		}
	}
}

func serverGoroutines() (left []string) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if by := ofServer.FindString(stack); by != "" && !strings.HasSuffix(by, "_test.") && !strings.HasSuffix(by, "/kittest.") {
			left = append(left, stack)
		}
	}
	return left
}
