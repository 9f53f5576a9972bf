package tree

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Environ is the environment with .env below it.
type Environ struct {
	layers [2]map[string]*Node // the real one, .env
	dir    string
	files  []Read
	asked  map[string]bool
}

// NewEnviron joins list, as os.Environ gives it, with .env in dir.
func NewEnviron(list []string, dir string) (*Environ, []*Fault) {
	e := &Environ{dir: dir, asked: map[string]bool{}}
	e.layers[0] = map[string]*Node{}
	for _, kv := range list {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			e.layers[0][name] = NewText(value, Place{Layer: LayerEnv, Name: name})
		}
	}
	path := filepath.Join(dir, ".env")
	data, err := ReadFile(path)
	e.Read(path, data)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	if err != nil {
		return e, []*Fault{{At: Place{Layer: LayerEnv, File: path}, Text: FileReason(err) + "; make it readable or remove it"}}
	}
	var faults []*Fault
	e.layers[1], faults = Dotenv(".env", data)
	return e, faults
}

// Value is for ${NAME}: the real environment first.
func (e *Environ) Value(name string) (string, bool) {
	if n := e.Present(name); n != nil {
		return n.Text, true
	}
	return "", false
}

// Home is the user's home folder, or "".
func (e *Environ) Home() string {
	v, _ := e.Value("HOME")
	return v
}

// Names are all variables of both layers, sorted.
func (e *Environ) Names() []string {
	all := maps.Clone(e.layers[0])
	maps.Copy(all, e.layers[1])
	return slices.Sorted(maps.Keys(all))
}

// Lookup returns the setting that a variable holds, or nil. A variable that is
// set to nothing counts as not set: Compose passes ${NAME:-} that way.
func (e *Environ) Lookup(name string) *Node {
	e.asked[name] = true
	for _, layer := range e.layers {
		if n := layer[name]; n != nil && n.Text != "" {
			return n
		}
	}
	return nil
}

// Present is Lookup for variables whose empty value means something.
func (e *Environ) Present(name string) *Node {
	e.asked[name] = true
	for _, layer := range e.layers {
		if n := layer[name]; n != nil {
			return n
		}
	}
	return nil
}

// Secret is Lookup that also takes <name>_FILE, a file that holds the value. In
// one layer only one of the two may be set; the real environment wins over .env
// as ever.
func (e *Environ) Secret(name string) *Node {
	fileVar := name + "_FILE"
	e.asked[name], e.asked[fileVar] = true, true
	for _, layer := range e.layers {
		v, f := layer[name], layer[fileVar]
		if v != nil && v.Text == "" {
			v = nil
		}
		if f == nil || f.Text == "" {
			if v != nil {
				return v
			}
			continue
		}
		n := &Node{Kind: Scalar, At: f.At, Written: "${file:" + f.Text + "}"}
		if v != nil {
			n.Fault = fmt.Sprintf("both %s and %s are set; keep one of them", name, fileVar)
			return n
		}
		text, err := e.readSecret(f.Text, e.dir)
		if err != nil {
			n.Fault = err.Error()
		}
		n.Text = text
		return n
	}
	return nil
}

// readSecret reads a file that holds one value and trims one line end.
func (e *Environ) readSecret(path, dir string) (string, error) {
	full := Absolute(path, dir)
	data, err := ReadFile(full)
	if err != nil {
		return "", fmt.Errorf("file %s %s; create it with the value as its only content, or correct the path", path, FileReason(err))
	}
	e.Read(full, data)
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

// Read is a file that was looked at, with what it held: nothing, where it was not
// there.
type Read struct {
	Path string
	Sum  [sha256.Size]byte
}

// SumOf tells contents apart.
func SumOf(path string, data []byte) Read { return Read{path, sha256.Sum256(data)} }

// Read remembers a file as part of the configuration.
func (e *Environ) Read(path string, data []byte) {
	if !slices.ContainsFunc(e.files, func(r Read) bool { return r.Path == path }) {
		e.files = append(e.files, SumOf(path, data))
	}
}

// Files are all files that were looked at.
func (e *Environ) Files() []Read { return e.files }

// AskedFor are the variables that anything looked for.
func (e *Environ) AskedFor() map[string]bool { return e.asked }
