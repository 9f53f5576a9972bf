package config

import (
	"strings"
)

// kind is what a node is.
type kind int

const (
	nullKind kind = iota
	textKind      // any scalar: the type of the field decides how it is read
	listKind
	mapKind
)

func (k kind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a mapping"}[k]
}

// node is a value before it has a type, with the place it came from. Layers are
// merged as nodes, so that the winner keeps its place.
type node struct {
	kind    kind
	at      Place
	text    string    // textKind
	written string    // what the file says where it differs from text: ${TOKEN}
	fault   string    // why the text could not be made; reported if the node is used
	items   []*node   // listKind
	members []*member // mapKind, in the order of the file
}

type member struct {
	name  string
	at    Place
	value *node
}

func textNode(text string, at Place) *node { return &node{kind: textKind, text: text, at: at} }

func mapNode(at Place) *node { return &node{kind: mapKind, at: at} }

// get returns the member called name, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// take is get that removes the member, and tells where its key stands.
func (n *node) take(name string) (*node, Place) {
	for i, m := range n.members {
		if m.name == name {
			n.members = append(n.members[:i:i], n.members[i+1:]...)
			return m.value, m.at
		}
	}
	return nil, Place{}
}

// set replaces or adds the value at a dotted path of schema keys, which hold no
// dots themselves.
func (n *node) set(path string, v *node) {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		n.put(name, v)
		return
	}
	next := n.get(name)
	if next == nil || next.kind != mapKind {
		next = mapNode(v.at)
		n.put(name, next)
	}
	next.set(rest, v)
}

func (n *node) put(name string, v *node) {
	for _, m := range n.members {
		if m.name == name {
			m.value = v
			return
		}
	}
	n.members = append(n.members, &member{name: name, at: v.at, value: v})
}
