// Package hosts knows which hosts the ssh server may reach, how, and who may do
// what there.
//
// Two files of the operator say it: an OpenSSH client configuration, and a policy
// with groups, pinned host keys and rules. Both are read anew for every call, so
// that a change counts at once. A host is reached only if one of the files names
// it; what a caller sends is compared with those names and never used as an
// address. A host key that neither known_hosts nor a pin vouches for ends the
// connection before any authentication, and nothing here ever adds one.
//
// The ssh server and its package remote call it.
package hosts

import (
	"fmt"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/pattern"
)

// Files are what the operator has written.
type Files struct {
	Config     string // OpenSSH client configuration; "" is none
	Policy     string // policy in YAML; "" is none
	KnownHosts string // more known hosts than the configuration names; "" is none
}

// Host is one host as the files describe it.
type Host struct {
	Alias   string // its name here
	Address string
	Port    int
	User    string

	Jump         []string // hosts on the way, nearest first; aliases or user@host:port
	Identities   []string // files with private keys
	Certificates []string

	KnownHosts []string // files
	KeyName    string   // what known hosts call it, if not by its address
	Pins       []string // fingerprints that alone count; SHA256:...

	ConnectTimeout time.Duration
	AliveInterval  time.Duration
	AliveMax       int

	Groups []string
	Tier   string // a word of the operator's, such as production
}

// Book is what the files said when they were read.
type Book struct {
	files  Files
	home   string
	local  string // the account that Drawbridge runs as
	config []entry
	policy policy
	names  []string // sorted
}

// Read reads the files. An error names the file and the line.
func Read(files Files) (*Book, error) {
	me, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("find own account: %w", err)
	}
	b := &Book{files: files, home: me.HomeDir, local: me.Username}
	if files.Config != "" {
		if b.config, err = readConfig(files.Config, b.home); err != nil {
			return nil, err
		}
	}
	if b.policy, err = readPolicy(files.Policy); err != nil {
		return nil, err
	}
	b.names = named(b.config)
	for name := range b.policy.Hosts {
		if !NameRule().MatchString(name) {
			return nil, fmt.Errorf("policy: host %q: the name does not match %s", name, NameRule())
		}
		b.names = append(b.names, name)
	}
	slices.Sort(b.names)
	b.names = slices.Compact(b.names)
	for _, name := range b.names {
		if _, err := b.resolve(name); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// NameRule is what a host may be called: nothing that a program could take for an
// option, an address of another protocol or more than one word.
var NameRule = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// userRule is what an account may be called.
var userRule = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9._@\\-]{0,63}$`)

// Names are the hosts that the files name, sorted.
func (b *Book) Names() []string { return slices.Clone(b.names) }

// Find is the host of a name, for somebody.
func (b *Book) Find(userID, name string) (Host, Grant, error) {
	gone := fault.New(fault.NotFound, "There is no host %q for you. list_hosts has those there are; the operator adds others to the files of the ssh server.", clip(name))
	if _, named := slices.BinarySearch(b.names, name); !named {
		return Host{}, Grant{}, gone
	}
	h, err := b.resolve(name)
	if err != nil {
		return Host{}, Grant{}, err
	}
	g, ok := b.policy.grant(userID, h)
	if !ok {
		return Host{}, Grant{}, gone
	}
	return h, g, nil
}

// Select is the hosts that a user may use among names, "@group" standing for the
// hosts of a group.
func (b *Book) Select(userID string, names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		group, isGroup := strings.CutPrefix(name, "@")
		if !isGroup {
			if _, _, err := b.Find(userID, name); err != nil {
				return nil, err
			}
			out = append(out, name)
			continue
		}
		found := false
		for _, n := range b.names {
			if h, _, err := b.Find(userID, n); err == nil && slices.Contains(h.Groups, group) {
				out, found = append(out, n), true
			}
		}
		if !found {
			return nil, fault.New(fault.NotFound, "There is no group %q with hosts for you. list_hosts has the groups of every host.", clip(group))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// maxHops bounds the hosts on the way to one.
const maxHops = 8

// Way is the hosts to go through, the host itself last. Every one of them is
// verified by its own key.
func (b *Book) Way(h Host) ([]Host, error) {
	way := []Host{h}
	for hop := h; len(hop.Jump) > 0; {
		if len(way)+len(hop.Jump) > maxHops {
			return nil, fault.New(fault.Invalid, "The way to %s has more than %d hosts, or goes in a circle. The operator can correct ProxyJump.", h.Alias, maxHops)
		}
		var before []Host
		for i, name := range hop.Jump {
			j, err := b.jumpHost(name)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				j.Jump = nil // the hosts before it in the list are its way
			}
			before = append(before, j)
		}
		way = append(before, way...)
		hop = before[0]
	}
	return way, nil
}

// jumpHost reads one element of ProxyJump: [user@]host[:port] or ssh://...
func (b *Book) jumpHost(spec string) (Host, error) {
	rest := strings.TrimPrefix(spec, "ssh://")
	account, name, hasUser := strings.Cut(rest, "@")
	if !hasUser {
		account, name = "", rest
	}
	port := 0
	if host, digits, ok := cutPort(name); ok {
		n, err := portOf(digits)
		if err != nil {
			return Host{}, fmt.Errorf("ProxyJump %q: %w", spec, err)
		}
		name, port = host, n
	}
	h, err := b.resolve(name)
	if err != nil {
		return Host{}, fmt.Errorf("ProxyJump %q: %w", spec, err)
	}
	if account != "" {
		h.User = account
	}
	if port != 0 {
		h.Port = port
	}
	return h, h.check()
}

// cutPort takes a port off a name; an IPv6 address has brackets then.
func cutPort(s string) (host, port string, ok bool) {
	if rest, bracket := strings.CutPrefix(s, "["); bracket {
		host, port, ok = strings.Cut(rest, "]")
		port = strings.TrimPrefix(port, ":")
		return host, port, ok && port != ""
	}
	if strings.Count(s, ":") != 1 {
		return s, "", false
	}
	return strings.Cut(s, ":")
}

// resolve joins what the policy and the configuration say of a name. The policy
// counts more.
func (b *Book) resolve(name string) (Host, error) {
	h := Host{Alias: name, Port: 22, AliveInterval: 20 * time.Second, AliveMax: 3, ConnectTimeout: 15 * time.Second}
	if err := b.fromConfig(&h); err != nil {
		return h, fmt.Errorf("host %s: %w", name, err)
	}
	if err := b.policy.describe(&h); err != nil {
		return h, fmt.Errorf("host %s: %w", name, err)
	}
	if b.files.KnownHosts != "" {
		h.KnownHosts = append([]string{b.files.KnownHosts}, h.KnownHosts...)
	}
	if h.Address == "" {
		h.Address = name
	}
	if h.User == "" {
		h.User = b.local
	}
	return h, h.check()
}

// check refuses what must not reach a connection.
func (h Host) check() error {
	switch {
	case !NameRule().MatchString(h.Address):
		return fmt.Errorf("host %s: the address %q is not one", h.Alias, h.Address)
	case !userRule().MatchString(h.User):
		return fmt.Errorf("host %s: the user %q is not one", h.Alias, h.User)
	case h.Port < 1 || h.Port > 65535:
		return fmt.Errorf("host %s: the port %d is not one", h.Alias, h.Port)
	}
	return nil
}

// below makes a path that may start with ~ absolute.
func below(home, p string) string {
	if p == "~" {
		return home
	}
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return p
}

func clip(s string) string {
	if len(s) > 60 {
		s = s[:60]
	}
	return strings.ToValidUTF8(s, "?")
}
