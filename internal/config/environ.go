package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// environ is the environment with .env below it.
type environ struct {
	real  map[string]envVar
	dot   map[string]envVar
	dir   string
	files []string // secret files that were read
	used  map[string]bool
}

type envVar struct {
	value string
	at    Place
}

// newEnviron joins environ, as os.Environ gives it, with .env in dir.
func newEnviron(list []string, dir string) (*environ, []*Fault) {
	e := &environ{real: map[string]envVar{}, dir: dir, used: map[string]bool{}}
	for _, kv := range list {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			e.real[name] = envVar{value: value, at: Place{Layer: LayerEnv, Name: name}}
		}
	}
	path := filepath.Join(dir, ".env")
	data, err := readFile(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return e, nil
		}
		return e, []*Fault{{At: Place{Layer: LayerEnv, File: path}, Text: fileReason(err) + "; make it readable or remove it"}}
	}
	var faults []*Fault
	e.files = append(e.files, path)
	e.dot, faults = dotenv(".env", data)
	return e, faults
}

// value is for ${NAME}: the real environment first.
func (e *environ) value(name string) (string, bool) {
	if v, ok := e.real[name]; ok {
		return v.value, true
	}
	v, ok := e.dot[name]
	return v.value, ok
}

func (e *environ) home() string {
	v, _ := e.value("HOME")
	return v
}

// names are all variables of both layers, sorted.
func (e *environ) names() []string {
	var names []string
	for n := range e.real {
		names = append(names, n)
	}
	for n := range e.dot {
		if _, ok := e.real[n]; !ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// lookup returns the setting that a variable holds, or nil. A variable that is
// set to nothing counts as not set: Compose passes ${NAME:-} that way.
func (e *environ) lookup(name string) *node {
	e.used[name] = true
	for _, layer := range []map[string]envVar{e.real, e.dot} {
		if v := layer[name]; v.value != "" {
			return textNode(v.value, v.at)
		}
	}
	return nil
}

// present is lookup for variables whose empty value means something.
func (e *environ) present(name string) *node {
	e.used[name] = true
	for _, layer := range []map[string]envVar{e.real, e.dot} {
		if v, ok := layer[name]; ok {
			return textNode(v.value, v.at)
		}
	}
	return nil
}

// secret is lookup that also takes <name>_FILE. In one layer only one of the two
// may be set; the real environment wins over .env as ever.
func (e *environ) secret(name string) *node {
	fileVar := name + "_FILE"
	e.used[name], e.used[fileVar] = true, true
	for _, layer := range []map[string]envVar{e.real, e.dot} {
		v, f := layer[name], layer[fileVar]
		switch {
		case v.value != "" && f.value != "":
			n := textNode("", f.at)
			n.fault = fmt.Sprintf("both %s and %s are set; keep one of them", name, fileVar)
			return n
		case v.value != "":
			return textNode(v.value, v.at)
		case f.value != "":
			n := textNode("", f.at)
			text, err := e.readSecret(f.value, e.dir)
			if err != nil {
				n.fault = err.Error()
			}
			n.text, n.written = text, "${file:"+f.value+"}"
			return n
		}
	}
	return nil
}

// readSecret reads a file that holds one value and trims one line end.
func (e *environ) readSecret(path, dir string) (string, error) {
	full := absolute(path, dir)
	data, err := readFile(full)
	if err != nil {
		return "", fmt.Errorf("file %s %s; create it with the value as its only content, or correct the path", path, fileReason(err))
	}
	if !slices.Contains(e.files, full) {
		e.files = append(e.files, full)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}
