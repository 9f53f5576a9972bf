// Package pattern holds regular expressions of which a process compiles only those
// it uses. Every server is in the binary, most are switched off, and a compiled
// expression is tens of kilobytes: made before main, they cost an idle process
// megabytes.
//
// The servers are its callers. What is used by every process stays with package
// regexp.
package pattern

import (
	"regexp"
	"sync"
)

// New gives the expression, compiled when it is first asked for. Like
// regexp.MustCompile it panics, then, at one that is not valid.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
