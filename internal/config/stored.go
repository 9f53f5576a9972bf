package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/config/tree"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
)

// NewBackend checks one backend that comes from no file: entry is the JSON object
// that would stand under its name. Relative paths start in dir.
func NewBackend(name string, entry []byte, dir string) (Backend, []Notice, error) {
	node, faults := tree.Parse("entry.json", entry)
	unplace(node)
	return single(name, node, faults, dir)
}

// unplace forgets positions that the user never saw.
func unplace(n *tree.Node) {
	n.At = Place{Layer: LayerStore}
	for _, item := range n.Items {
		unplace(item)
	}
	for _, m := range n.Members {
		m.At = n.At
		unplace(m.Value)
	}
}

func single(name string, node *tree.Node, faults []*Fault, dir string) (Backend, []Notice, error) {
	env, _ := tree.NewEnviron(nil, "") // no .env: such a backend is all that it says
	l := &loader{env: env, dir: dir, base: dir, root: tree.NewMap(Place{Layer: LayerStore})}
	l.d.Faults = faults
	if slices.ContainsFunc(BuiltInNames(), func(n string) bool { return strings.EqualFold(n, name) }) {
		l.d.Failf(Place{}, name, "is the name of a built-in server; choose another, or configure the backend in the file to replace the server")
	}
	b, _ := l.backend(&candidate{name: name, path: name, at: Place{Layer: LayerStore}, node: node})
	if err := l.d.Err(); err != nil {
		return Backend{}, l.d.Said(), err
	}
	return b, l.d.Said(), nil
}

// ToStore is the backend in the form in which the database keeps it: its secrets
// apart, to be sealed.
func (b Backend) ToStore() (store.Backend, error) {
	spec, secrets := map[string]any{}, map[string]secret.String{}
	v := reflect.ValueOf(b)
	tree.Fields(v.Type(), func(i int, key string, _ reflect.StructField) {
		f := v.Field(i)
		if f.IsZero() || key == "enabled" {
			return
		}
		switch value := f.Interface().(type) {
		case secret.String:
			secrets[key] = value
		case map[string]secret.String:
			for name, s := range value {
				secrets[key+"."+name] = s
			}
		case time.Duration:
			spec[key] = value.String()
		default:
			spec[key] = value
		}
	})
	raw, err := json.Marshal(spec)
	if err != nil {
		return store.Backend{}, fmt.Errorf("encode backend %s: %w", b.Name, err)
	}
	return store.Backend{Name: b.Name, Spec: raw, Secrets: secrets, Enabled: b.Enabled}, nil
}

// FromStore is the reverse of Backend.ToStore.
func FromStore(s store.Backend) (Backend, error) {
	node, faults := tree.Parse("entry.json", s.Spec)
	unplace(node)
	for _, key := range slices.Sorted(maps.Keys(s.Secrets)) {
		value := tree.NewText(s.Secrets[key].Reveal(), node.At)
		field, name, inMap := strings.Cut(key, ".")
		if !inMap {
			node.Put(field, value)
			continue
		}
		m := node.Get(field)
		if m == nil {
			m = tree.NewMap(node.At)
			node.Put(field, m)
		}
		m.Put(name, value)
	}
	if !s.Enabled {
		node.Put("enabled", tree.NewText("false", node.At))
	}
	b, _, err := single(s.Name, node, faults, "/")
	b.Origin = LayerStore
	return b, err
}

// WithStored is the configured backends and then those of the store. Where a
// name is in both, the configured one counts.
func (c *Config) WithStored(added []store.Backend) ([]Backend, error) {
	if c.alone {
		return nil, nil
	}
	all := slices.Clone(c.Backends)
	var errs []error
	for _, s := range added {
		if slices.ContainsFunc(c.Backends, func(b Backend) bool { return strings.EqualFold(b.Name, s.Name) }) {
			continue
		}
		b, err := FromStore(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("stored backend: %w", err))
			continue
		}
		all = append(all, b)
	}
	return all, errors.Join(errs...)
}
