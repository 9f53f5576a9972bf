package config

import (
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"drawbridge/internal/config/tree"
	"drawbridge/internal/secret"
)

// backends decodes and checks every backend, in the order of the file and then
// of the variables' names.
func (l *loader) backends(c *Config) {
	prefixes := map[string]string{}
	for _, found := range l.found {
		b, off := l.backend(found)
		c.Backends = append(c.Backends, b)
		if off {
			continue
		}
		l.replace(c, found, b)
		if p := b.ToolPrefix(); p != "" {
			if other := prefixes[p]; other != "" {
				l.d.Notef(found.at, tree.Under(found.path, "prefix"), "%s uses the prefix %s too; tools of the same name would collide", other, p)
			}
			prefixes[p] = found.path
		}
	}
}

// replace lets a backend take the place of the built-in server of its name.
func (l *loader) replace(c *Config, found *candidate, b Backend) {
	for name, s := range c.Servers {
		if strings.EqualFold(name, b.Name) && !s.Replaced {
			s.Replaced = true
			c.Servers[name] = s
			l.d.Notef(found.at, found.path, "replaces the built-in server %s; rename the backend to have both", name)
		}
	}
}

// backend decodes one entry. What is switched off is read for lists of backends
// only; its faults are nobody's concern.
func (l *loader) backend(found *candidate) (b Backend, off bool) {
	n := found.node
	adapt(n)
	d := &l.d
	if e := n.Get("enabled"); e != nil && e.Fault == "" {
		if on, ok := tree.Boolean(e.Text); ok && !on {
			d, off = &tree.Decoder{}, true
		}
	}
	b.Name, b.Origin = found.name, found.at.Layer
	// What other programs keep in the same block and what has no meaning here.
	d.Struct(reflect.ValueOf(&b).Elem(), n, found.path,
		"disabled", "description", "autoApprove", "alwaysAllow", "gallery", "version", "icon")
	if off {
		b.Type = typeOf(b)
		return b, true
	}
	l.checkBackend(found, &b)
	return b, false
}

// adapt turns other programs' words into ours.
func adapt(n *tree.Node) {
	if off := n.Get("disabled"); off != nil && n.Get("enabled") == nil && off.Kind == tree.Scalar {
		if v, ok := tree.Boolean(off.Text); ok {
			text := "true"
			if v {
				text = "false"
			}
			n.Put("enabled", tree.NewText(text, off.At))
		}
	}
	for _, key := range []string{"type", "transport"} {
		t := n.Get(key)
		if t == nil || t.Kind != tree.Scalar {
			continue
		}
		if tree.Squash(t.Text) == "streamablehttp" {
			t.Text = TypeHTTP
		}
	}
}

func (l *loader) checkName(at Place, path, name string) {
	if err := CheckName(name); err != nil {
		l.d.Failf(at, path, "%s", err)
	}
}

func (l *loader) checkBackend(found *candidate, b *Backend) {
	at := func(key string) Place {
		if n := found.node.Get(key); n != nil {
			return n.At
		}
		return found.at
	}
	l.checkName(found.at, found.path, b.Name)
	if b.Prefix != nil && *b.Prefix != "" {
		l.checkName(at("prefix"), tree.Under(found.path, "prefix"), *b.Prefix)
	}
	if b.Concurrency < 0 {
		l.d.Failf(at("concurrency"), tree.Under(found.path, "concurrency"), "must be at least 1, or left out")
	}
	// A value that could not be made is reported already; it still counts as given.
	command, remote := found.node.Get("command") != nil, found.node.Get("url") != nil
	switch {
	case command && remote:
		l.d.Failf(found.at, found.path, "has both command and url; keep one of them")
	case command:
		l.checkCommand(found, b, at)
	case remote:
		l.checkRemote(found, b, at)
	default:
		l.d.Failf(found.at, found.path, "has neither command nor url; add the program to run or the address of the server")
	}
}

func (l *loader) checkCommand(found *candidate, b *Backend, at func(string) Place) {
	if b.Type != "" && b.Type != TypeStdio {
		l.d.Failf(at("type"), tree.Under(found.path, "type"), "a command is spoken to over stdio; remove type, or set url instead of command")
	}
	b.Type = TypeStdio
	if b.Command == "" && found.node.Get("command").Fault == "" {
		l.d.Failf(at("command"), tree.Under(found.path, "command"), "is empty; name the program to run")
	}
	for _, key := range []string{"headers", "token"} {
		if found.node.Get(key) != nil {
			l.d.Notef(at(key), tree.Under(found.path, key), "is for a url only and ignored here; give the command its secrets in env")
		}
	}
	for name := range b.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			l.d.Failf(at("env"), tree.Under(found.path, "env"), "%q is no name of a variable", name)
		}
	}
	if b.Cwd == "" {
		b.Cwd = l.base
	}
	b.Cwd = tree.Absolute(b.Cwd, l.base)
	// A name without a slash is looked up in PATH; ./server.js is meant from the file.
	if strings.ContainsRune(b.Command, filepath.Separator) {
		b.Command = tree.Absolute(b.Command, b.Cwd)
	}
	l.envFile(found, b, at)
}

func (l *loader) envFile(found *candidate, b *Backend, at func(string) Place) {
	if b.EnvFile == "" {
		return
	}
	place := at("env_file")
	b.EnvFile = tree.Absolute(b.EnvFile, l.base)
	data, err := tree.ReadFile(b.EnvFile)
	if err != nil {
		l.d.Failf(place, tree.Under(found.path, "env_file"), "file %s; create it or remove the setting", tree.FileReason(err))
		return
	}
	l.env.Read(b.EnvFile, data)
	vars, faults := tree.Dotenv(b.EnvFile, data)
	l.d.Faults = append(l.d.Faults, faults...)
	for name, v := range vars {
		if _, set := b.Env[name]; set {
			continue
		}
		if b.Env == nil {
			b.Env = map[string]secret.String{}
		}
		b.Env[name] = secret.New(v.Text)
	}
}

func (l *loader) checkRemote(found *candidate, b *Backend, at func(string) Place) {
	for _, key := range []string{"args", "env", "env_file", "cwd", "interactive"} {
		if found.node.Get(key) != nil {
			l.d.Notef(at(key), tree.Under(found.path, key), "is for a command only and ignored here")
		}
	}
	l.checkURL(found, b, at("url"))
	switch b.Type {
	case TypeStdio:
		l.d.Failf(at("type"), tree.Under(found.path, "type"), "a url is spoken to over http or sse; remove type, or set command instead of url")
	default:
		b.Type = typeOf(*b)
	}
	for name, value := range b.Headers {
		path := tree.Under(found.path, "headers."+name)
		switch {
		case !token.MatchString(name):
			l.d.Failf(at("headers"), path, "is no name of an HTTP header; use letters, digits and -")
		case slices.Contains(ownHeaders(), strings.ToLower(name)):
			l.d.Failf(at("headers"), path, "is set by Drawbridge itself; remove it")
		case strings.ContainsAny(value.Reveal(), "\r\n\x00"):
			l.d.Failf(at("headers"), path, "holds a line break, which no header may; check the end of the value")
		case strings.EqualFold(name, "Authorization") && !b.Token.Empty():
			l.d.Failf(at("headers"), path, "is set beside token; keep one of them")
		}
	}
	if strings.ContainsAny(b.Token.Reveal(), " \r\n\t\x00") {
		l.d.Failf(at("token"), tree.Under(found.path, "token"), `holds a space or line break; give the token alone, without "Bearer"`)
	}
}

// ownHeaders frame the message or belong to the protocol.
func ownHeaders() []string {
	return []string{"connection", "content-length", "content-type", "transfer-encoding", "upgrade",
		"accept", "host", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name"}
}

// checkURL checks the address and gives one without a path its /mcp.
func (l *loader) checkURL(found *candidate, b *Backend, at Place) {
	path := tree.Under(found.path, "url")
	n := found.node.Get("url")
	if n.Fault != "" || n.Kind != tree.Scalar {
		return
	}
	u, err := url.Parse(strings.TrimSpace(b.URL))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		l.d.Failf(at, path, "%q is no http or https address; write for example https://example.com/mcp", tree.Showable(n))
		return
	case u.User != nil:
		l.d.Failf(at, path, "holds a user name or password; move it to headers or token")
		return
	case u.Fragment != "":
		l.d.Failf(at, path, "%q has a # part, which is never sent; remove it", tree.Showable(n))
		return
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/mcp"
	}
	b.URL = u.String()
}

// typeOf is the type of a backend that need not name it.
func typeOf(b Backend) string {
	if b.Type != "" {
		return b.Type
	}
	if b.URL == "" {
		return TypeStdio
	}
	if u, err := url.Parse(b.URL); err == nil && strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/sse") {
		return TypeSSE
	}
	return TypeHTTP
}
