package account

import (
	"encoding/json"
	"reflect"
	"slices"
)

// Verdict is what an Access says of one thing.
type Verdict int

// The verdicts. Who may not see a thing must not learn that it exists; who may
// see it, but was not given the right to call it, is told how to get that.
const (
	Hidden     Verdict = iota // it does not exist for this caller
	NotGranted                // it exists; the grant or key does not include its tier
	Granted
)

// Access is what a principal may do with the catalogue: its rights AND every
// profile that applies to it, the user's own and that of the URL. It is immutable
// and compared by pointer. A nil Access allows nothing.
type Access struct {
	rights   Rights
	profiles []Profile
	all      bool
	key      string
}

var everything = NewAccess(FullRights())

// Everything is the access of whoever runs this installation.
func Everything() *Access { return everything }

// NewAccess joins rights with the profiles that apply.
func NewAccess(rights Rights, profiles ...Profile) *Access {
	a := &Access{rights: rights, profiles: slices.Clone(profiles)}
	a.all = len(profiles) == 0 && rights.Write && slices.Contains(rights.Backends, Any) && slices.Contains(rights.Destructive, Any)
	key, err := json.Marshal(struct {
		R Rights
		P []Profile
	}{rights, profiles})
	if err != nil {
		panic("encode access: " + err.Error()) // strings and booleans only
	}
	a.key = string(key)
	return a
}

// All tells that nothing is denied, which saves asking for each thing.
func (a *Access) All() bool { return a != nil && a.all }

// Key is equal for accesses that allow the same.
func (a *Access) Key() string {
	if a == nil {
		return ""
	}
	return a.key
}

// Within tells whether a allows nothing that outer does not, under the same
// profiles.
func (a *Access) Within(outer *Access) bool {
	if a == nil || outer == nil {
		return a == nil
	}
	return a.rights.Within(outer.rights) && slices.EqualFunc(a.profiles, outer.profiles, func(x, y Profile) bool { return reflect.DeepEqual(x, y) })
}

// Backend tells whether anything of a backend may be seen: its resources, its
// instructions, its state.
func (a *Access) Backend(name string) bool {
	if a == nil {
		return false
	}
	for i := range a.profiles {
		if !includes(a.profiles[i].Backends, name) {
			return false
		}
	}
	return includes(a.rights.Backends, name)
}

// Prompt tells whether a prompt may be used, by its exposed name.
func (a *Access) Prompt(backend, name string) bool {
	return a.Backend(backend) && a.named(backend, name)
}

// Tool says what may be done with a tool, by its exposed name.
func (a *Access) Tool(backend, name string, tier Tier) Verdict {
	switch {
	case a.All():
		return Granted
	case !a.Backend(backend) || !a.named(backend, name):
		return Hidden
	}
	for i := range a.profiles {
		if tier > a.profiles[i].Tier {
			return Hidden
		}
	}
	if !a.rights.Allow(backend, tier) {
		return NotGranted
	}
	return Granted
}

func (a *Access) named(backend, name string) bool {
	for i := range a.profiles {
		if !a.profiles[i].Names(backend, name) {
			return false
		}
	}
	return true
}
