// Package access is the one way from a call to a host: whether the operator's files
// name it, whether their policy gives the caller the right, and which credentials
// log in.
//
// The files are read anew for every call, so that a change counts at once. A host that
// somebody has no right on does not exist for them. The ssh server's tools call it
// before anything is sent anywhere.
package access

import (
	"context"
	"fmt"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/command"
	"drawbridge/internal/servers/ssh/hosts"
	"drawbridge/internal/servers/ssh/link"
	"drawbridge/internal/servers/ssh/remote"
)

// Door opens hosts to callers.
type Door struct {
	server string // under whose name credentials are stored
	files  hosts.Files
	creds  kit.Credentials
	pool   *link.Pool
}

// New makes a Door for the server named.
func New(server string, files hosts.Files, creds kit.Credentials, pool *link.Pool) *Door {
	return &Door{server, files, creds, pool}
}

// Book reads the operator's files as they are now.
func (d *Door) Book() (*hosts.Book, error) {
	b, err := hosts.Read(d.files)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "The files of the ssh server have a mistake, so no host can be reached. The operator finds the line in the log.")
	}
	return b, nil
}

// Reached is a connected host with what the caller may do there.
type Reached struct {
	remote.Conn
	Grant hosts.Grant
}

// Writable holds a path, whose links are followed, to the policy. Where reading is
// limited the path must fit that, too: what is written is shown beside what was there.
func (r Reached) Writable(resolved string) error {
	if len(r.Grant.Rules.Write) > 0 && !command.MatchPath(r.Grant.Rules.Write, resolved) {
		// The host says where a path leads, so that is not repeated here.
		return fault.New(fault.Forbidden, "The policy does not let you write where this path leads on %s. Choose another path, or ask the operator.", r.Host.Alias)
	}
	if rule := r.ReadRule(); rule != nil {
		return rule(resolved)
	}
	return nil
}

// ReadRule is what the policy says of paths that are read; nil where it says nothing.
func (r Reached) ReadRule() remote.Allowed {
	patterns := r.Grant.Rules.Read
	if len(patterns) == 0 {
		return nil
	}
	return func(resolved string) error {
		if command.MatchPath(patterns, resolved) {
			return nil
		}
		return fault.New(fault.Forbidden, "The policy does not let you read where this path leads on %s. Choose another path, or ask the operator.", r.Host.Alias)
	}
}

// Right is something that a policy lets users do.
type Right string

// The rights.
const (
	Read  Right = "read"  // look
	Run   Right = "run"   // commands and jobs
	Write Right = "write" // files
	Sudo  Right = "sudo"  // commands as root
)

// In tells whether a grant has the right.
func (r Right) In(g hosts.Grant) bool {
	switch r {
	case Read:
		return g.Read
	case Run:
		return g.Run
	case Write:
		return g.Write
	case Sudo:
		return g.Sudo
	}
	return false
}

// Rights are the rights of a grant, least first.
func Rights(g hosts.Grant) (names []string) {
	for _, r := range []Right{Read, Run, Write, Sudo} {
		if r.In(g) {
			names = append(names, string(r))
		}
	}
	return names
}

// Find is a host on which the caller has a right. Nothing is connected.
func (d *Door) Find(c *kit.Call, name string, want Right) (hosts.Host, hosts.Grant, error) {
	b, err := d.Book()
	if err != nil {
		return hosts.Host{}, hosts.Grant{}, err
	}
	return findIn(b, c, name, want)
}

func findIn(b *hosts.Book, c *kit.Call, name string, want Right) (hosts.Host, hosts.Grant, error) {
	h, g, err := b.Find(c.User(), name)
	if err != nil {
		return h, g, err
	}
	if !want.In(g) {
		return h, g, fault.New(fault.Forbidden, "The policy does not give you the right %q on %s. Ask the operator, or use what list_hosts says you may.", string(want), name)
	}
	return h, g, nil
}

// Connect finds a host and opens a connection.
func (d *Door) Connect(ctx context.Context, c *kit.Call, name string, want Right) (Reached, error) {
	b, err := d.Book()
	if err != nil {
		return Reached{}, err
	}
	h, g, err := findIn(b, c, name, want)
	if err != nil {
		return Reached{}, err
	}
	way, err := b.Way(h)
	if err != nil {
		return Reached{}, err
	}
	stored, err := d.creds.For(ctx, c.User(), d.server)
	if err != nil {
		return Reached{}, fmt.Errorf("read credentials: %w", err)
	}
	target := link.Target{User: c.User(), Way: way}
	for _, hop := range way {
		target.Logins = append(target.Logins, loginOf(stored, hop.Alias))
	}
	conn, err := d.pool.Connect(ctx, target)
	if err != nil {
		return Reached{}, err
	}
	return Reached{remote.Conn{Conn: conn}, g}, nil
}

// loginOf picks the credentials for a host: its own count more than those for all.
func loginOf(stored map[string]secret.String, alias string) link.Login {
	get := func(key string) secret.String {
		if own, ok := stored[alias+"."+key]; ok {
			return own
		}
		return stored[key]
	}
	return link.Login{Key: get("private_key"), Passphrase: get("passphrase"), Password: get("password"), Sudo: get("sudo_password")}
}

// mostHosts bounds the hosts of one call.
const mostHosts = 100

// Select is the hosts a call names, with what the caller may do on each. All of
// them or none: a mistake in one name runs nothing.
func (d *Door) Select(c *kit.Call, wanted []string, want Right) (names []string, grants []hosts.Grant, err error) {
	b, err := d.Book()
	if err != nil {
		return nil, nil, err
	}
	if names, err = b.Select(c.User(), wanted); err != nil {
		return nil, nil, err
	}
	if len(names) > mostHosts {
		return nil, nil, fault.New(fault.Limited, "That are %d hosts, at most %d are taken in one call. Name some of them.", len(names), mostHosts)
	}
	for _, name := range names {
		_, g, err := findIn(b, c, name, want)
		if err != nil {
			return nil, nil, err
		}
		grants = append(grants, g)
	}
	return names, grants, nil
}
