// Package servers is the table of the built-in servers: what there is, and how
// each is made. Adding one is a folder and a line here.
//
// app opens those that are switched on and wraps each as a backend; the command
// runs one alone. Nothing here knows what a server does.
package servers

import (
	"fmt"
	"slices"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory"
	"drawbridge/internal/servers/sequentialthinking"
	"drawbridge/internal/servers/ssh"
)

// Entry is one built-in server.
type Entry struct {
	Name string
	// New makes the server from what the operator has set.
	New func(set kit.Settings, deps kit.Deps) (*kit.Server, error)
	// DefaultOn says that it needs no settings and runs unless switched off.
	DefaultOn bool
	// Variables are the environment variables of its settings.
	Variables []string
}

// Table is the built-in servers, sorted by name. It never changes.
var Table = []Entry{
	{"memory", with(memory.ReadConfig, memory.New), true, memory.Variables()},
	{"sequentialthinking", with(sequentialthinking.ReadConfig, sequentialthinking.New), true, sequentialthinking.Variables()},
	{"ssh", with(ssh.ReadConfig, ssh.New), false, ssh.Variables()},
}

// Find gives the entry of a name.
func Find(name string) (Entry, bool) {
	i := slices.IndexFunc(Table, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return Table[i], true
}

// with joins a server's reading of its settings and its constructor.
func with[C any](read func(kit.Settings) (C, error), open func(C, kit.Deps) (*kit.Server, error)) func(kit.Settings, kit.Deps) (*kit.Server, error) {
	return func(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
		cfg, err := read(set)
		if err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
		return open(cfg, deps)
	}
}
