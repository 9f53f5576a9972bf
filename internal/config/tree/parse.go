package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/tailscale/hujson"
	"go.yaml.in/yaml/v4"
)

// Bounds of a configuration file. They are far beyond any real one.
const (
	maxFile  = 1 << 20
	maxDepth = 32
	maxNodes = 20_000 // counted after aliases are followed
)

// Parse reads a configuration file. Both formats end in the same nodes; JSON is
// not handed to the YAML parser because that knows neither comments nor \ud83d\ude00.
func Parse(file string, data []byte) (*Node, []*Fault) {
	p := &parser{file: file}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var root *Node
	if looksJSON(file, data) {
		root = p.json(data)
	} else {
		root = p.yaml(data)
	}
	if root == nil || root.Kind == Null {
		root = NewMap(Place{Layer: LayerFile, File: file})
	}
	if root.Kind != Map {
		p.failf(root.At, "this is %s, but a configuration is a mapping of settings such as listen: 127.0.0.1:4444", root.Kind)
		root = NewMap(root.At)
	}
	return root, p.faults
}

func looksJSON(file string, data []byte) bool {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".json", ".jsonc":
		return true
	case ".yaml", ".yml":
		return false
	}
	return bytes.HasPrefix(bytes.TrimSpace(data), []byte("{"))
}

type parser struct {
	file   string
	faults []*Fault
	nodes  int
	lines  []int // offsets at which lines start; JSON only
}

func (p *parser) failf(at Place, format string, args ...any) {
	p.faults = append(p.faults, &Fault{At: at, Text: fmt.Sprintf(format, args...)})
}

// room counts a node and tells whether the file is still within bounds.
func (p *parser) room(at Place, depth int) bool {
	if p.nodes > maxNodes {
		return false // said once below
	}
	p.nodes++
	switch {
	case p.nodes > maxNodes:
		p.failf(at, "the file has more than %d values; is it the right file?", maxNodes)
		return false
	case depth > maxDepth:
		p.failf(at, "this is nested more than %d deep; no setting is, so check the brackets or the indentation", maxDepth)
		return false
	}
	return true
}

// add appends a member unless its name is there already.
func (p *parser) add(n *Node, name string, at Place, v *Node) {
	if v == nil {
		return
	}
	if i := slices.IndexFunc(n.Members, func(m *Member) bool { return m.Name == name }); i >= 0 {
		p.failf(at, "%q stands here a second time (first on line %d); remove one of them", name, n.Members[i].At.Line)
		return
	}
	n.Members = append(n.Members, &Member{Name: name, At: at, Value: v})
}

func (p *parser) yaml(data []byte) *Node {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		p.failf(Place{Layer: LayerFile, File: p.file}, "is not readable as YAML; save it as UTF-8 text")
		return nil
	}
	var doc yaml.Node
	if err := loader.Load(&doc); err != nil {
		p.yamlFault(err)
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil
	}
	var second yaml.Node
	if err := loader.Load(&second); err == nil && second.Kind != 0 {
		p.failf(p.at(second.Line, second.Column), "a second document starts here; keep one and remove the ---")
	}
	return p.fromYAML(doc.Content[0], 0)
}

func (p *parser) yamlFault(err error) {
	if err.Error() == "EOF" {
		return // an empty file sets nothing
	}
	if le, ok := errors.AsType[*yaml.LoadError](err); ok {
		p.failf(p.at(le.Mark.Line, le.Mark.Column), "is not valid YAML: %s; check the indentation and the quotes near here", le.Message)
		return
	}
	p.failf(Place{Layer: LayerFile, File: p.file}, "is not valid YAML; check the indentation and the quotes")
}

func (p *parser) at(line, col int) Place {
	return Place{Layer: LayerFile, File: p.file, Line: line, Col: col}
}

func (p *parser) fromYAML(y *yaml.Node, depth int) *Node {
	at := p.at(y.Line, y.Column)
	if !p.room(at, depth) {
		return nil
	}
	switch y.Kind {
	case yaml.AliasNode:
		// An alias to one of its own parents ends at the depth bound.
		return p.fromYAML(y.Alias, depth+1)
	case yaml.ScalarNode:
		if y.ShortTag() == "!!null" {
			return &Node{Kind: Null, At: at}
		}
		return NewText(y.Value, at)
	case yaml.SequenceNode:
		n := &Node{Kind: List, At: at}
		for _, c := range y.Content {
			if item := p.fromYAML(c, depth+1); item != nil {
				n.Items = append(n.Items, item)
			}
		}
		return n
	case yaml.MappingNode:
		return p.yamlMap(y, at, depth)
	}
	return nil
}

func (p *parser) yamlMap(y *yaml.Node, at Place, depth int) *Node {
	n := NewMap(at)
	var merges []*Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, keyAt := y.Content[i], p.at(y.Content[i].Line, y.Content[i].Column)
		v := p.fromYAML(y.Content[i+1], depth+1)
		switch {
		case key.ShortTag() == "!!merge":
			if v != nil && v.Kind == Map {
				merges = append(merges, v)
			} else if v != nil {
				merges = append(merges, v.Items...)
			}
		case key.Kind != yaml.ScalarNode:
			p.failf(keyAt, "a key must be a plain word; write name: value")
		default:
			p.add(n, key.Value, keyAt, v)
		}
	}
	for _, m := range merges {
		for _, inherited := range m.Members {
			if n.Get(inherited.Name) == nil {
				n.Members = append(n.Members, inherited)
			}
		}
	}
	return n
}

func (p *parser) json(data []byte) *Node {
	v, err := hujson.Parse(data)
	if err != nil {
		// hujson's text holds line and column, and at most one character of the file.
		text := strings.TrimPrefix(err.Error(), "hujson: ")
		p.failf(Place{Layer: LayerFile, File: p.file}, "is not valid JSON: %s; check the commas, quotes and brackets there", text)
		return nil
	}
	for i, b := range data {
		if b == '\n' {
			p.lines = append(p.lines, i+1)
		}
	}
	return p.fromJSON(&v, 0)
}

func (p *parser) offset(o int) Place {
	line := sort.SearchInts(p.lines, o+1)
	start := 0
	if line > 0 {
		start = p.lines[line-1]
	}
	return p.at(line+1, o-start+1)
}

func (p *parser) fromJSON(v *hujson.Value, depth int) *Node {
	at := p.offset(v.StartOffset)
	if !p.room(at, depth) {
		return nil
	}
	switch t := v.Value.(type) {
	case *hujson.Object:
		n := NewMap(at)
		for i := range t.Members {
			m := &t.Members[i]
			if name, ok := m.Name.Value.(hujson.Literal); ok {
				p.add(n, unquote(name), p.offset(m.Name.StartOffset), p.fromJSON(&m.Value, depth+1))
			}
		}
		return n
	case *hujson.Array:
		n := &Node{Kind: List, At: at}
		for i := range t.Elements {
			if item := p.fromJSON(&t.Elements[i], depth+1); item != nil {
				n.Items = append(n.Items, item)
			}
		}
		return n
	case hujson.Literal:
		if t.Kind() == 'n' {
			return &Node{Kind: Null, At: at}
		}
		return NewText(unquote(t), at)
	}
	return nil
}

// unquote gives the text of a JSON literal that hujson has checked.
func unquote(l hujson.Literal) string {
	if l.Kind() != '"' {
		return string(l)
	}
	var s string
	if json.Unmarshal(l, &s) != nil {
		return ""
	}
	return s
}
