package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"drawbridge/internal/servers/ssh/command"
)

// policy is the operator's file: what is known of hosts, and who may do what.
type policy struct {
	Hosts map[string]described `yaml:"hosts"`
	Rules []rule               `yaml:"rules"`
}

// described is a host in the policy.
type described struct {
	Address      string   `yaml:"address"`
	Port         int      `yaml:"port"`
	User         string   `yaml:"user"`
	Jump         []string `yaml:"jump"`
	Groups       []string `yaml:"groups"`
	Tier         string   `yaml:"tier"`
	Fingerprints []string `yaml:"fingerprints"`
}

// rule says who may do what where. The first that fits counts.
type rule struct {
	Users   []string `yaml:"users"` // globs; empty: everybody
	Hosts   []string `yaml:"hosts"` // globs of names, or @group; empty: all
	May     []string `yaml:"may"`   // read, run, write, sudo; empty: nothing
	Allow   []string `yaml:"allow"`
	Deny    []string `yaml:"deny"`
	Write   []string `yaml:"write"`
	Read    []string `yaml:"read"`
	Confirm string   `yaml:"confirm"` // changes (default), all, never

	rules command.Rules
}

// Grant is what somebody may do on a host.
type Grant struct {
	Read, Run, Write, Sudo bool

	Rules   command.Rules
	Confirm Confirm
}

// Confirm says which commands a person confirms.
type Confirm string

// What is confirmed. Commands as another user always are.
const (
	ConfirmChanges Confirm = "changes" // those not known to only read
	ConfirmAll     Confirm = "all"
	ConfirmNever   Confirm = "never"
)

// everybody is the rules where there are none: who was granted the ssh server may
// use every host within the server's mode, and a person confirms changes.
func everybody() []rule {
	return []rule{{May: []string{"read", "run", "write", "sudo"}, Confirm: string(ConfirmChanges)}}
}

func readPolicy(file string) (policy, error) {
	p := policy{}
	if file == "" {
		p.Rules = everybody()
		return p, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return p, fmt.Errorf("read ssh policy: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return p, fmt.Errorf("read ssh policy %s: %w", file, err)
	}
	if p.Rules == nil {
		p.Rules = everybody()
	}
	for i := range p.Rules {
		if err := p.Rules[i].prepare(); err != nil {
			return p, fmt.Errorf("read ssh policy %s: rule %d: %w", file, i+1, err)
		}
	}
	return p, nil
}

// prepare checks a rule and reads its patterns.
func (r *rule) prepare() error {
	for _, m := range r.May {
		if !slices.Contains([]string{"read", "run", "write", "sudo"}, m) {
			return fmt.Errorf("may has %q; choose from read, run, write, sudo", m)
		}
	}
	switch Confirm(r.Confirm) {
	case "":
		r.Confirm = string(ConfirmChanges)
	case ConfirmChanges, ConfirmAll, ConfirmNever:
	default:
		return fmt.Errorf("confirm is %q; choose changes, all or never", r.Confirm)
	}
	for name, list := range map[string][]string{"allow": r.Allow, "write": r.Write, "read": r.Read} {
		if list != nil && len(list) == 0 {
			return fmt.Errorf("%s is an empty list, which would limit nothing; leave it out, or take the right out of may", name)
		}
	}
	for _, list := range []struct {
		from []string
		to   *[]command.Pattern
	}{{r.Allow, &r.rules.Allow}, {r.Deny, &r.rules.Deny}} {
		for _, text := range list.from {
			pattern, err := command.ParsePattern(text)
			if err != nil {
				return err
			}
			*list.to = append(*list.to, pattern)
		}
	}
	for _, pattern := range slices.Concat(r.Write, r.Read, r.Users, r.Hosts) {
		if _, err := path.Match(strings.TrimSuffix(pattern, "/**"), ""); err != nil {
			return fmt.Errorf("the pattern %q is not one", pattern)
		}
	}
	for _, pattern := range slices.Concat(r.Write, r.Read) {
		if !strings.HasPrefix(pattern, "/") {
			return fmt.Errorf("write or read has %q; a path starts with /", pattern)
		}
	}
	r.rules.Write, r.rules.Read = r.Write, r.Read
	return nil
}

// describe adds what the policy says of a host.
func (p policy) describe(h *Host) error {
	d, ok := p.Hosts[h.Alias]
	if !ok {
		return nil
	}
	if d.Address != "" {
		h.Address = d.Address
	}
	if d.Port != 0 {
		h.Port = d.Port
	}
	if d.User != "" {
		h.User = d.User
	}
	if d.Jump != nil {
		h.Jump = d.Jump
	}
	for _, f := range d.Fingerprints {
		if !strings.HasPrefix(f, "SHA256:") || len(f) != len("SHA256:")+43 {
			return fmt.Errorf("the fingerprint %q is not one; ssh-keygen -lf FILE.pub shows it, SHA256: included", f)
		}
	}
	h.Groups, h.Tier, h.Pins = d.Groups, d.Tier, d.Fingerprints
	return nil
}

// grant is what the first rule that fits lets a user do.
func (p policy) grant(user string, h Host) (Grant, bool) {
	for _, r := range p.Rules {
		if !fitsAny(r.Users, user) || !r.fitsHost(h) {
			continue
		}
		may := func(what string) bool { return slices.Contains(r.May, what) }
		g := Grant{may("read"), may("run"), may("write"), may("sudo"), r.rules, Confirm(r.Confirm)}
		return g, g.Read || g.Run || g.Write || g.Sudo
	}
	return Grant{}, false
}

func (r rule) fitsHost(h Host) bool {
	if len(r.Hosts) == 0 {
		return true
	}
	return slices.ContainsFunc(r.Hosts, func(p string) bool {
		if group, ok := strings.CutPrefix(p, "@"); ok {
			return slices.Contains(h.Groups, group)
		}
		fits, err := path.Match(p, h.Alias)
		return err == nil && fits
	})
}

func fitsAny(patterns []string, s string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		fits, err := path.Match(p, s)
		return err == nil && fits
	})
}
