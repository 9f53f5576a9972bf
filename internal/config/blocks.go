package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"drawbridge/internal/config/tree"
	"drawbridge/internal/secret"
)

// candidate is a backend before it is checked.
type candidate struct {
	name string
	path string // as the user wrote it: mcpServers.github
	at   Place
	node *tree.Node
}

// blocks takes the blocks that hold backends and built-in servers out of the
// root, in the order of the file.
func (l *loader) blocks() {
	for _, m := range slices.Clone(l.root.Members) {
		switch m.Name {
		case "backends", "mcpServers", "servers":
			l.block(m.Name, l.root.Take(m.Name))
		}
	}
}

func (l *loader) block(name string, block *tree.Node) {
	if block.Kind == tree.Null {
		return
	}
	if block.Kind != tree.Map {
		l.d.Failf(block.At, name, "this is %s, but it takes a mapping of name to settings", block.Kind)
		return
	}
	for _, m := range block.Members {
		path := tree.Under(name, m.Name)
		if m.Value.Kind == tree.Null {
			continue
		}
		if m.Value.Kind != tree.Map {
			l.d.Failf(m.Value.At, path, "this is %s, but it takes a mapping with command or url", m.Value.Kind)
			continue
		}
		if name == "servers" && l.settings(m, path) {
			continue
		}
		l.candidate(&candidate{name: m.Name, path: path, at: m.At, node: m.Value})
	}
}

// settings takes an entry of servers that configures a built-in server and tells
// whether it was one. VS Code writes backends into the same block; a command, a
// type, or a url that the built-in server has no use for gives them away.
func (l *loader) settings(m *tree.Member, path string) bool {
	b, known := builtIns()[m.Name]
	backend := m.Value.Get("command") != nil || m.Value.Get("type") != nil || m.Value.Get("url") != nil && !b.has("url")
	switch {
	case known && !backend:
		l.servers[m.Name] = m.Value
		return true
	case !known && !backend:
		l.d.Failf(m.At, path, "there is no built-in server of this name%s; a backend needs command or url",
			tree.DidYouMean(m.Name, BuiltInNames()))
		return true
	}
	return false
}

// candidate adds a backend unless its name is taken. Names that differ in case
// only would share MCP_BACKEND_<NAME>.
func (l *loader) candidate(c *candidate) {
	if other := l.named(c.name); other != nil {
		l.d.Failf(c.at, c.path, "%s (%s) has this name already; rename one of them", other.path, other.at)
		return
	}
	l.found = append(l.found, c)
}

func (l *loader) named(name string) *candidate {
	for _, c := range l.found {
		if strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

const backendPrefix = "MCP_BACKEND_"

// backendOptions are the options behind MCP_BACKEND_<NAME>__, by setting.
func backendOptions() map[string]string {
	return map[string]string{"TOKEN": "token", "HEADERS": "headers", "TRANSPORT": "type", "PREFIX": "prefix"}
}

// backendVariables reads MCP_BACKEND_<NAME> and its options over the file.
func (l *loader) backendVariables() {
	var options []string
	for _, variable := range l.env.Names() {
		name, ok := strings.CutPrefix(variable, backendPrefix)
		if !ok {
			continue
		}
		if strings.Contains(name, "__") {
			options = append(options, variable)
			continue
		}
		n := l.env.Lookup(variable)
		if n == nil {
			continue
		}
		if name == "" {
			l.d.Failf(n.At, "", "names no backend; write %s<NAME>", backendPrefix)
			continue
		}
		name = strings.ToLower(name)
		c := l.named(name)
		if c == nil {
			c = &candidate{name: name, path: tree.Under("backends", name), at: n.At, node: tree.NewMap(n.At)}
			l.found = append(l.found, c)
		}
		c.node.Put("url", n)
	}
	for _, variable := range options {
		l.backendOption(variable)
	}
}

func (l *loader) backendOption(variable string) {
	at := Place{Layer: LayerEnv, Name: variable}
	name, option, _ := strings.Cut(strings.TrimPrefix(variable, backendPrefix), "__")
	owner := backendPrefix + name
	name = strings.ToLower(name)
	known := backendOptions()
	if whole, ok := strings.CutSuffix(option, "_FILE"); ok && (whole == "TOKEN" || whole == "HEADERS") {
		option = whole
	}
	key, ok := known[option]
	if !ok {
		l.d.Failf(at, "", "unknown option %s%s; use one of %s", option,
			tree.DidYouMean(option, slices.Collect(maps.Keys(known))), strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		return
	}
	var n *tree.Node
	switch key {
	case "prefix":
		n = l.env.Present(variable) // set to nothing, it means no prefix
	case "type":
		n = l.env.Lookup(variable)
	default:
		n = l.env.Secret(owner + "__" + option)
	}
	if n == nil {
		return
	}
	c := l.named(name)
	if c == nil {
		l.d.Failf(n.At, "", "there is no backend %s for it; set %s to its URL", name, owner)
		return
	}
	if key == "headers" && n.Fault == "" {
		n = headersNode(n)
	}
	c.node.Put(key, n)
}

// headersNode reads headers from a variable: a JSON object, or Name=value or
// Name: value lines.
func headersNode(n *tree.Node) *tree.Node {
	out := tree.NewMap(n.At)
	var object map[string]string
	if strings.HasPrefix(strings.TrimSpace(n.Text), "{") {
		if err := json.Unmarshal([]byte(n.Text), &object); err != nil {
			out.Kind, out.Fault = tree.Scalar, `is not a JSON object of texts; write {"Name": "value"} or Name=value lines`
			return out
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			out.Put(name, tree.NewText(object[name], n.At))
		}
		return out
	}
	for line := range strings.Lines(n.Text) {
		line = strings.TrimSpace(line)
		i := strings.IndexAny(line, "=:")
		if line == "" {
			continue
		}
		if i <= 0 {
			out.Kind, out.Fault = tree.Scalar, `has a line that is no header; write {"Name": "value"} or Name=value lines`
			return out
		}
		out.Put(strings.TrimSpace(line[:i]), tree.NewText(strings.TrimSpace(line[i+1:]), n.At))
	}
	return out
}

// serverVariables reads the variables of the built-in servers over the file.
func (l *loader) serverVariables() {
	for name, b := range builtIns() {
		n := l.servers[name]
		if n == nil {
			n = tree.NewMap(Place{Layer: LayerEnv})
			l.servers[name] = n
		}
		for _, s := range b.known {
			if v := l.env.Secret(s.variable); v != nil {
				n.Put(s.key, v)
			}
		}
		for _, stem := range b.vars {
			for _, key := range []string{"mode", "enabled", "toolsets", "parallel", "timeout"} {
				if v := l.env.Lookup(stem + "_" + strings.ToUpper(key)); v != nil {
					n.Put(key, v)
				}
			}
		}
	}
}

// builtIns decodes the settings of the built-in servers.
func (l *loader) builtIns(c *Config) {
	c.Servers = map[string]BuiltIn{}
	for name, b := range builtIns() {
		n, path := l.servers[name], tree.Under("servers", name)
		s := BuiltIn{Mode: b.mode, Settings: map[string]secret.String{}}
		var own []string
		tree.Fields(reflect.TypeFor[BuiltIn](), func(_ int, key string, _ reflect.StructField) { own = append(own, key) })
		known := []string{"toolsets", "parallel", "timeout"}
		for _, k := range b.known {
			known = append(known, k.key)
		}
		for _, m := range n.Members {
			if slices.Contains(own, m.Name) || m.Value.Kind == tree.Null {
				continue
			}
			s.Settings[m.Name] = l.serverSetting(m, tree.Under(path, m.Name))
			if guess := tree.DidYouMean(m.Name, append(known, own...)); guess != "" && !slices.Contains(known, m.Name) {
				l.d.Notef(m.At, tree.Under(path, m.Name), "unknown setting%s", guess)
			}
			own = append(own, m.Name)
		}
		l.d.Struct(reflect.ValueOf(&s).Elem(), n, path, own...)
		if s.Mode == "" {
			s.Mode = b.mode
		}
		if s.Prefix != nil && *s.Prefix != "" {
			l.checkName(n.Get("prefix").At, tree.Under(path, "prefix"), *s.Prefix)
		}
		c.Servers[name] = s
	}
}

// serverSetting is the text of a built-in server's own setting. Nobody knows
// here which of them are secret, so all count as secret.
func (l *loader) serverSetting(m *tree.Member, path string) secret.String {
	var text secret.String
	if m.Value.Kind != tree.List {
		l.d.Value(reflect.ValueOf(&text).Elem(), m.Value, path, "")
		return text
	}
	var parts []string
	for _, item := range m.Value.Items {
		l.d.Value(reflect.ValueOf(&text).Elem(), item, path, "")
		parts = append(parts, text.Reveal())
	}
	return secret.New(strings.Join(parts, ","))
}
