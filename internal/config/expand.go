package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expander replaces ${...} in what the file says. It goes over a text once: what
// a variable holds is never looked at again.
type expander struct {
	env *environ
	dir string // relative ${file:...} start here
}

// tree expands every text below n. A fault stays with its node, so that a value
// that the environment replaces, or a backend that is switched off, may refer to
// variables that are not set.
func (x *expander) tree(n *node) {
	if n == nil {
		return
	}
	for _, item := range n.items {
		x.tree(item)
	}
	for _, m := range n.members {
		x.tree(m.value)
	}
	if n.kind != textKind || n.written != "" || !strings.Contains(n.text, "$") {
		return
	}
	text, err := x.text(n.text)
	if err != nil {
		n.fault = err.Error()
	}
	n.written, n.text = n.text, text
}

func (x *expander) text(s string) (string, error) {
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			out.WriteString(s)
			return out.String(), nil
		}
		out.WriteString(s[:i])
		switch s[i+1] {
		case '$':
			out.WriteByte('$')
			s = s[i+2:]
		case '{':
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				return "", errors.New("${ without its }; close it, or write $$ for a dollar sign")
			}
			v, err := x.one(s[i+2 : i+end])
			if err != nil {
				return "", err
			}
			out.WriteString(v)
			s = s[i+end+1:]
		default:
			out.WriteByte('$')
			s = s[i+1:]
		}
	}
}

// one gives the value of the inside of ${...}.
func (x *expander) one(expr string) (string, error) {
	if strings.Contains(expr, "${") {
		return "", errors.New("${ inside ${...}; nesting is not supported, so set one variable that holds the whole value")
	}
	if path, ok := strings.CutPrefix(expr, "file:"); ok {
		return x.env.readSecret(path, x.dir)
	}
	if id, ok := strings.CutPrefix(expr, "input:"); ok {
		return "", fmt.Errorf("${input:%s} asks for a value in an editor; write ${NAME} here and set that variable in the environment or .env", id)
	}
	name, def, hasDefault := strings.Cut(strings.TrimPrefix(expr, "env:"), ":-")
	if !variable.MatchString(name) {
		return "", fmt.Errorf("${%s} is not a variable; write ${NAME}, ${NAME:-default} or ${file:/path}, or $$ for a dollar sign", expr)
	}
	v, ok := x.env.value(name)
	switch {
	case hasDefault && v == "":
		return def, nil
	case ok:
		return v, nil
	case name == "workspaceFolder": // Cursor and VS Code: the project the file belongs to
		return x.dir, nil
	case name == "userHome":
		return x.env.home(), nil
	}
	return "", fmt.Errorf("variable %[1]s is not set; set it in the environment or .env, or write ${%[1]s:-default}", name)
}

// errNotFile is for paths such as /dev/zero that have no end.
var errNotFile = errors.New("not a regular file")

// readFile reads a regular file of at most maxFile bytes.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotFile
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	return data, err
}

// fileReason says in the user's words why a file could not be read.
func fileReason(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "does not exist"
	case errors.Is(err, os.ErrPermission):
		return "may not be read by this user"
	case errors.Is(err, errNotFile):
		return "is not a regular file"
	}
	return "cannot be read"
}

func absolute(path, dir string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
