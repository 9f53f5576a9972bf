package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"drawbridge/internal/config/tree"
)

// Import is what another program's file says about backends.
type Import struct {
	l       *loader
	notices []Notice
}

// ReadImport reads the mcpServers, servers and backends blocks of a file as Claude
// Desktop, Claude Code, Cursor, VS Code and mcpo write them. The rest of the file
// is nobody's concern. Names that are of no use here are changed, with a notice.
func ReadImport(file string, environ []string, dir string) (*Import, error) {
	env, faults := tree.NewEnviron(environ, dir)
	path := tree.Absolute(file, dir)
	l := &loader{env: env, dir: dir, base: folderOf(path), root: tree.NewMap(Place{})}
	data, err := tree.ReadFile(path)
	if err != nil {
		return nil, &Fault{Text: fmt.Sprintf("file %s %s; correct the path", file, tree.FileReason(err))}
	}
	var more []*Fault
	l.root, more = tree.Parse(filepath.Base(file), data)
	l.d.Faults = append(faults, more...)
	im := &Import{l: l}
	for _, block := range []string{"mcpServers", "servers", "backends"} {
		n := l.root.Get(block)
		if n == nil || n.Kind != tree.Map {
			continue
		}
		for _, m := range n.Members {
			if m.Value.Kind == tree.Map && (m.Value.Get("command") != nil || m.Value.Get("url") != nil) {
				l.found = append(l.found, &candidate{name: im.free(m), path: tree.Under(block, m.Name), at: m.At, node: m.Value})
			}
		}
	}
	if err := l.d.Err(); err != nil {
		return nil, err
	}
	if len(l.found) == 0 {
		return nil, &Fault{At: Place{File: file}, Text: "has no MCP servers; give a file with an mcpServers or servers block"}
	}
	return im, nil
}

// free is a name for m that can be used here and is not taken.
func (im *Import) free(m *tree.Member) string {
	name := m.Name
	if CheckName(name) != nil {
		if name = CleanName(name); name == "" {
			name = "backend"
		}
	}
	taken := func(n string) bool {
		return im.l.named(n) != nil || slices.ContainsFunc(BuiltInNames(), func(b string) bool { return strings.EqualFold(b, n) })
	}
	stem := name[:min(len(name), maxName-3)]
	for i := 2; taken(name); i++ {
		name = stem + "_" + strconv.Itoa(i)
	}
	if name != m.Name {
		im.notices = append(im.notices, Notice{At: m.At, Path: m.Name, Text: "is called " + name + " here"})
	}
	return name
}

// Notices are what reading the file gave to say.
func (im *Import) Notices() []Notice { return im.notices }

// Backends are the entries, checked, with ${...} replaced.
func (im *Import) Backends() ([]Backend, []Notice, error) {
	l := im.l
	var out []Backend
	for _, found := range l.found {
		tree.Expand(found.node, l.env, l.base)
		b, _ := l.backend(found)
		b.Origin = LayerStore
		out = append(out, b)
	}
	notices := append(im.notices, l.d.Said()...)
	if err := l.d.Err(); err != nil {
		return nil, notices, err
	}
	return out, notices, nil
}

// YAML is the entries as a block for the configuration file, ${...} left as it is.
func (im *Import) YAML() ([]byte, error) {
	block := &yaml.Node{Kind: yaml.MappingNode}
	for _, found := range im.l.found {
		block.Content = append(block.Content, yamlText(found.name), toYAML(found.node))
	}
	out, err := yaml.Dump(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{yamlText("backends"), block}})
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return out, nil
}

func yamlText(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func toYAML(n *tree.Node) *yaml.Node {
	switch n.Kind {
	case tree.Map:
		y := &yaml.Node{Kind: yaml.MappingNode}
		for _, m := range n.Members {
			y.Content = append(y.Content, yamlText(m.Name), toYAML(m.Value))
		}
		return y
	case tree.List:
		y := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.Items {
			y.Content = append(y.Content, toYAML(item))
		}
		return y
	case tree.Null:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	if n.Written != "" {
		return yamlText(n.Written)
	}
	return yamlText(n.Text)
}
