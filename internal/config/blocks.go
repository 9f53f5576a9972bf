package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"drawbridge/internal/secret"
)

// candidate is a backend before it is checked.
type candidate struct {
	name string
	path string // as the user wrote it: mcpServers.github
	at   Place
	node *node
}

// blocks takes the blocks that hold backends and built-in servers out of the
// root, in the order of the file.
func (l *loader) blocks() {
	for _, m := range slices.Clone(l.root.members) {
		switch m.name {
		case "backends", "mcpServers", "servers":
			block, _ := l.root.take(m.name)
			l.block(m.name, block)
		}
	}
}

func (l *loader) block(name string, block *node) {
	if block.kind == nullKind {
		return
	}
	if block.kind != mapKind {
		l.d.failf(block.at, name, "this is %s, but it takes a mapping of name to settings", block.kind)
		return
	}
	for _, m := range block.members {
		path := under(name, m.name)
		if m.value.kind == nullKind {
			continue
		}
		if m.value.kind != mapKind {
			l.d.failf(m.value.at, path, "this is %s, but it takes a mapping with command or url", m.value.kind)
			continue
		}
		if name == "servers" && l.settings(m, path) {
			continue
		}
		l.candidate(&candidate{name: m.name, path: path, at: m.at, node: m.value})
	}
}

// settings takes an entry of servers that configures a built-in server and tells
// whether it was one. VS Code writes backends into the same block; a command, a
// type, or a url that the built-in server has no use for gives them away.
func (l *loader) settings(m *member, path string) bool {
	b, known := builtIns()[m.name]
	backend := m.value.get("command") != nil || m.value.get("type") != nil || m.value.get("url") != nil && !b.has("url")
	switch {
	case known && !backend:
		l.servers[m.name] = m.value
		return true
	case !known && !backend:
		l.d.failf(m.at, path, "there is no built-in server of this name%s; a backend needs command or url",
			didYouMean(m.name, BuiltInNames()))
		return true
	}
	return false
}

// candidate adds a backend unless its name is taken. Names that differ in case
// only would share MCP_BACKEND_<NAME>.
func (l *loader) candidate(c *candidate) {
	if other := l.named(c.name); other != nil {
		l.d.failf(c.at, c.path, "%s (%s) has this name already; rename one of them", other.path, other.at)
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
	for _, variable := range l.env.names() {
		name, ok := strings.CutPrefix(variable, backendPrefix)
		if !ok {
			continue
		}
		if strings.Contains(name, "__") {
			options = append(options, variable)
			continue
		}
		n := l.env.lookup(variable)
		if n == nil {
			continue
		}
		name = strings.ToLower(name)
		c := l.named(name)
		if c == nil {
			c = &candidate{name: name, path: under("backends", name), at: n.at, node: mapNode(n.at)}
			l.found = append(l.found, c)
		}
		c.node.put("url", n)
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
		l.d.failf(at, "", "unknown option %s%s; use one of %s", option,
			didYouMean(option, slices.Collect(maps.Keys(known))), strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		return
	}
	var n *node
	switch key {
	case "prefix":
		n = l.env.present(variable) // set to nothing, it means no prefix
	case "type":
		n = l.env.lookup(variable)
	default:
		n = l.env.secret(owner + "__" + option)
	}
	if n == nil {
		return
	}
	c := l.named(name)
	if c == nil {
		l.d.failf(n.at, "", "there is no backend %s for it; set %s to its URL", name, owner)
		return
	}
	if key == "headers" && n.fault == "" {
		n = headersNode(n)
	}
	c.node.put(key, n)
}

// headersNode reads headers from a variable: a JSON object, or Name=value or
// Name: value lines.
func headersNode(n *node) *node {
	out := mapNode(n.at)
	var object map[string]string
	if strings.HasPrefix(strings.TrimSpace(n.text), "{") {
		if err := json.Unmarshal([]byte(n.text), &object); err != nil {
			out.kind, out.fault = textKind, `is not a JSON object of texts; write {"Name": "value"} or Name=value lines`
			return out
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			out.put(name, textNode(object[name], n.at))
		}
		return out
	}
	for line := range strings.Lines(n.text) {
		line = strings.TrimSpace(line)
		i := strings.IndexAny(line, "=:")
		if line == "" {
			continue
		}
		if i <= 0 {
			out.kind, out.fault = textKind, `has a line that is no header; write {"Name": "value"} or Name=value lines`
			return out
		}
		out.put(strings.TrimSpace(line[:i]), textNode(strings.TrimSpace(line[i+1:]), n.at))
	}
	return out
}

// serverVariables reads the variables of the built-in servers over the file.
func (l *loader) serverVariables() {
	for name, b := range builtIns() {
		n := l.servers[name]
		if n == nil {
			n = mapNode(Place{Layer: LayerEnv})
			l.servers[name] = n
		}
		for _, s := range b.known {
			read := l.env.lookup
			if s.secret {
				read = l.env.secret
			}
			if v := read(s.variable); v != nil {
				n.put(s.key, v)
			}
		}
		for _, stem := range b.vars {
			for _, key := range []string{"mode", "enabled"} {
				if v := l.env.lookup(stem + "_" + strings.ToUpper(key)); v != nil {
					n.put(key, v)
				}
			}
		}
	}
}

// builtIns decodes the settings of the built-in servers.
func (l *loader) builtIns(c *Config) {
	c.Servers = map[string]BuiltIn{}
	for name, b := range builtIns() {
		n, path := l.servers[name], under("servers", name)
		s := BuiltIn{Mode: b.mode, Settings: map[string]secret.String{}}
		var own []string
		fields(reflect.TypeFor[BuiltIn](), func(_ int, key string, _ reflect.StructField) { own = append(own, key) })
		var known []string
		for _, k := range b.known {
			known = append(known, k.key)
		}
		for _, m := range n.members {
			if slices.Contains(own, m.name) || m.value.kind == nullKind {
				continue
			}
			s.Settings[m.name] = l.serverSetting(m, under(path, m.name))
			if guess := didYouMean(m.name, append(known, own...)); guess != "" && !slices.Contains(known, m.name) {
				l.d.notef(m.at, under(path, m.name), "unknown setting%s", guess)
			}
			own = append(own, m.name)
		}
		l.d.structure(reflect.ValueOf(&s).Elem(), n, path, own...)
		if s.Mode == "" {
			s.Mode = b.mode
		}
		if s.Prefix != nil && *s.Prefix != "" {
			l.checkName(n.get("prefix").at, under(path, "prefix"), *s.Prefix)
		}
		c.Servers[name] = s
	}
}

// serverSetting is the text of a built-in server's own setting. Nobody knows
// here which of them are secret, so all count as secret.
func (l *loader) serverSetting(m *member, path string) secret.String {
	var text secret.String
	if m.value.kind != listKind {
		l.d.value(reflect.ValueOf(&text).Elem(), m.value, path, "")
		return text
	}
	var parts []string
	for _, item := range m.value.items {
		l.d.value(reflect.ValueOf(&text).Elem(), item, path, "")
		parts = append(parts, text.Reveal())
	}
	return secret.New(strings.Join(parts, ","))
}
