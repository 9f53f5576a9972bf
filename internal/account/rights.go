package account

import (
	"fmt"
	"slices"
	"strings"
)

// Tier is what a tool may do to the world.
type Tier int

// The tiers, mildest first. The zero value is none of them.
const (
	_           Tier = iota
	TierRead         // looks only
	TierWrite        // changes things
	TierDestroy      // destroys, or cannot be taken back
)

var tierNames = [...]string{"", "read", "write", "destructive"}

// String is the tier's word: read, write or destructive.
func (t Tier) String() string {
	if t < 0 || int(t) >= len(tierNames) {
		return ""
	}
	return tierNames[t]
}

// Valid tells whether t is one of the tiers.
func (t Tier) Valid() bool { return t >= TierRead && t <= TierDestroy }

// ParseTier reads a tier's word.
func ParseTier(s string) (Tier, error) {
	for t := TierRead; t <= TierDestroy; t++ {
		if s == tierNames[t] {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown tier %q: use read, write or destructive", s)
}

// MarshalText and UnmarshalText use the tier's word.
func (t Tier) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a tier's word.
func (t *Tier) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTier(string(text))
	return err
}

// Any stands for all backends, or all names. An empty list stands for none.
const Any = "*"

// Rights are what a person has allowed a grant or a key to do: once, at consent
// or when the key was made.
type Rights struct {
	Backends    []string `json:"backends"`              // names, or Any
	Write       bool     `json:"write,omitempty"`       // may change things
	Destructive []string `json:"destructive,omitempty"` // backends whose dangerous tools may be called, or Any
}

// FullRights allow everything.
func FullRights() Rights {
	return Rights{Backends: []string{Any}, Write: true, Destructive: []string{Any}}
}

// ReadRights allow to look at everything.
func ReadRights() Rights { return Rights{Backends: []string{Any}} }

// maxRightsList bounds the lists of Rights and rules.
const maxRightsList = 200

// Check says what is wrong with rights, in words for whoever set them.
func (r Rights) Check() error {
	if len(r.Backends) == 0 {
		return fmt.Errorf("no backend is named: an empty list allows nothing, %q allows all", Any)
	}
	if err := checkList("backend", r.Backends); err != nil {
		return err
	}
	return checkList("backend", r.Destructive)
}

func checkList(what string, list []string) error {
	if len(list) > maxRightsList {
		return fmt.Errorf("there are more than %d entries: use a pattern", maxRightsList)
	}
	for _, name := range list {
		if err := CheckName(what+" name", name); err != nil {
			return err
		}
	}
	return nil
}

// Allow tells whether rights include tools of a tier at a backend.
func (r Rights) Allow(backend string, t Tier) bool {
	if !includes(r.Backends, backend) {
		return false
	}
	switch t {
	case TierRead:
		return true
	case TierWrite:
		return r.Write
	case TierDestroy:
		return includes(r.Destructive, backend)
	}
	return false
}

// Within tells whether r allows nothing that outer does not.
func (r Rights) Within(outer Rights) bool {
	return (outer.Write || !r.Write) && subset(r.Backends, outer.Backends) && subset(r.Destructive, outer.Destructive)
}

func includes(list []string, name string) bool {
	return slices.Contains(list, name) || slices.Contains(list, Any)
}

func subset(list, outer []string) bool {
	if slices.Contains(outer, Any) {
		return true
	}
	for _, name := range list {
		if !slices.Contains(outer, name) {
			return false
		}
	}
	return true
}

// Profile is a named view of the catalogue with rules, at its own address
// /mcp/<name>. A user may be bound to one, too.
type Profile struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Backends []string `json:"backends"`       // names, or Any; never empty
	Allow    []string `json:"allow"`          // globs of exposed tool and prompt names; never empty
	Deny     []string `json:"deny,omitempty"` // globs; they win over Allow
	Tier     Tier     `json:"tier"`           // the highest that is offered
}

// Check says what is wrong with a profile, in words for whoever made it.
func (p Profile) Check() error {
	if err := CheckProfileName(p.Name); err != nil {
		return err
	}
	if err := CheckName("title", p.Title); err != nil {
		return err
	}
	if len(p.Backends) == 0 || len(p.Allow) == 0 {
		return fmt.Errorf("backends and allow must not be empty: an empty list allows nothing, %q allows all", Any)
	}
	if !p.Tier.Valid() {
		return fmt.Errorf("the tier is missing: use read, write or destructive")
	}
	if err := checkList("backend", p.Backends); err != nil {
		return err
	}
	for _, list := range [][]string{p.Allow, p.Deny} {
		if err := checkList("pattern", list); err != nil {
			return err
		}
	}
	return nil
}

// CheckProfileName says what is wrong with the name of a profile: 1 to 32
// characters of a-z 0-9 -, first a letter. It is a part of a URL.
func CheckProfileName(name string) error {
	const hint = "use 1 to 32 characters of a-z, 0-9 and -, the first a letter"
	if name == "" || len(name) > 32 || name[0] < 'a' || name[0] > 'z' {
		return fmt.Errorf("profile name %q: %s", name, hint)
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return fmt.Errorf("profile name %q: %s", name, hint)
		}
	}
	return nil
}

// Names tells whether the rules let a name of a backend through.
func (p *Profile) Names(backend, name string) bool {
	return includes(p.Backends, backend) && matchAny(p.Allow, name) && !matchAny(p.Deny, name)
}

func matchAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return matchGlob(g, name) })
}

// matchGlob matches * against any run of characters, and everything else by
// itself. It takes time in the product of the lengths, which are bounded.
func matchGlob(glob, name string) bool {
	head, rest, star := strings.Cut(glob, Any)
	if !star {
		return glob == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, more, star := strings.Cut(rest, Any)
		if !star {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], more
	}
}
