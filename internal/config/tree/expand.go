package tree

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Expand replaces ${...} in every text below n, once: what a variable holds is
// never looked at again. A relative ${file:...} starts in dir. A fault stays with
// its node, so that a value that the environment replaces, or a backend that is
// switched off, may refer to variables that are not set.
func Expand(n *Node, env *Environ, dir string) {
	x := expander{env, dir}
	x.tree(n)
}

type expander struct {
	env *Environ
	dir string
}

func (x *expander) tree(n *Node) {
	for _, item := range n.Items {
		x.tree(item)
	}
	for _, m := range n.Members {
		x.tree(m.Value)
	}
	if n.Kind != Scalar || n.Written != "" || !strings.Contains(n.Text, "$") {
		return
	}
	text, err := x.text(n.Text)
	if err != nil {
		n.Fault = err.Error()
	}
	n.Written, n.Text = n.Text, text
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
	v, ok := x.env.Value(name)
	switch {
	case hasDefault && v == "":
		return def, nil
	case ok:
		return v, nil
	case name == "workspaceFolder": // Cursor and VS Code: the project the file belongs to
		return x.dir, nil
	case name == "userHome":
		return x.env.Home(), nil
	}
	return "", fmt.Errorf("variable %[1]s is not set; set it in the environment or .env, or write ${%[1]s:-default}", name)
}
