// Package tree holds settings before they have types: nodes that remember where
// they stand in a file, a variable or a flag.
//
// Parse makes nodes of YAML, JSON and JSONC, Environ of variables and .env,
// Expand replaces ${...} in them, and Decoder fills structs from them. None stops
// at a fault: all are collected, so that the user sees them at once. config is
// the only caller.
package tree

import "strings"

// Kind is what a Node is.
type Kind int

// The kinds. A Scalar is any single value: the type of the field that takes it
// decides how it is read.
const (
	Null Kind = iota
	Scalar
	List
	Map
)

func (k Kind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a mapping"}[k]
}

// Node is a value before it has a type, with the place it came from. Layers are
// merged as nodes, so that the winner keeps its place.
type Node struct {
	Kind    Kind
	At      Place
	Text    string    // of a Scalar
	Written string    // what the file says where it differs from Text: ${TOKEN}
	Fault   string    // why the text could not be made; reported if the node is used
	Items   []*Node   // of a List
	Members []*Member // of a Map, in the order of the file
}

// Member is one key of a Map.
type Member struct {
	Name  string
	At    Place // of the key
	Value *Node
}

// NewText makes a Scalar.
func NewText(text string, at Place) *Node { return &Node{Kind: Scalar, Text: text, At: at} }

// NewMap makes an empty Map.
func NewMap(at Place) *Node { return &Node{Kind: Map, At: at} }

// Get returns the member called name, or nil. n may be nil.
func (n *Node) Get(name string) *Node {
	if n == nil {
		return nil
	}
	for _, m := range n.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// Take is Get that removes the member.
func (n *Node) Take(name string) *Node {
	for i, m := range n.Members {
		if m.Name == name {
			n.Members = append(n.Members[:i:i], n.Members[i+1:]...)
			return m.Value
		}
	}
	return nil
}

// Set replaces or adds the value at a dotted path of keys that hold no dots.
func (n *Node) Set(path string, v *Node) {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		n.Put(name, v)
		return
	}
	next := n.Get(name)
	if next == nil || next.Kind != Map {
		next = NewMap(v.At)
		n.Put(name, next)
	}
	next.Set(rest, v)
}

// Put replaces or adds the member called name.
func (n *Node) Put(name string, v *Node) {
	for _, m := range n.Members {
		if m.Name == name {
			m.Value = v
			return
		}
	}
	n.Members = append(n.Members, &Member{Name: name, At: v.At, Value: v})
}
