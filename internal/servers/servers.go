// Package servers is the table of the built-in servers: what there is, and how
// each is made. Adding one is a folder and a line here.
//
// app opens those that are switched on and wraps each as a backend; the command
// runs one alone. Nothing here knows what a server does.
package servers

import (
	"fmt"
	"slices"

	"drawbridge/internal/servers/erpnext"
	"drawbridge/internal/servers/forgejo"
	"drawbridge/internal/servers/homeassistant"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory"
	"drawbridge/internal/servers/puppeteer"
	"drawbridge/internal/servers/sequentialthinking"
	"drawbridge/internal/servers/ssh"
	"drawbridge/internal/servers/truenas"
)

// Entry is one built-in server.
type Entry struct {
	Name string
	// New makes the server from what the operator has set.
	New func(set kit.Settings, deps kit.Deps) (*kit.Server, error)
	// On says when it runs without any setting, unless it is switched off.
	On Default
	// Variables are the environment variables of its settings.
	Variables []string
	// Own are the settings that a user may have in place of the operator's; * in one
	// stands for any text.
	Own []string
}

// Default is when a server runs without any setting.
type Default struct {
	When string      // for people, "" for never
	Now  func() bool // nil for never
}

// Holds tells whether it does now.
func (d Default) Holds() bool { return d.Now != nil && d.Now() }

var (
	never       = Default{}
	always      = Default{"by itself", func() bool { return true }}
	withBrowser = Default{"by itself where a browser is found", func() bool { return puppeteer.Found("") }}
)

// Table is the built-in servers, sorted by name. It never changes.
var Table = []Entry{
	{"erpnext", with(erpnext.ReadConfig, erpnext.New), never, erpnext.Variables(), []string{"api_key", "api_secret"}},
	{"forgejo", with(forgejo.ReadConfig, forgejo.New), never, forgejo.Variables(), []string{"token"}},
	{"homeassistant", with(homeassistant.ReadConfig, homeassistant.New), never, homeassistant.Variables(), []string{"token"}},
	{"memory", with(memory.ReadConfig, memory.New), always, memory.Variables(), nil},
	{"puppeteer", with(puppeteer.ReadConfig, puppeteer.New), withBrowser, puppeteer.Variables(), nil},
	{"sequentialthinking", with(sequentialthinking.ReadConfig, sequentialthinking.New), always, sequentialthinking.Variables(), nil},
	{"ssh", with(ssh.ReadConfig, ssh.New), never, ssh.Variables(), ssh.Own()},
	{"truenas", with(truenas.ReadConfig, truenas.New), never, truenas.Variables(), []string{"api_key", "username"}},
}

// Own is which settings a user may have in place of the operator's, by server.
func Own() map[string][]string {
	own := map[string][]string{}
	for _, e := range Table {
		if len(e.Own) > 0 {
			own[e.Name] = e.Own
		}
	}
	return own
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
