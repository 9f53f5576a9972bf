package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"drawbridge/internal/config/tree"
)

// Source is where the layers come from.
type Source struct {
	File    string            // configuration file; "" looks at DRAWBRIDGE_CONFIG, then in the user's configuration folder
	Flags   map[string]string // flags that were given, by name without dashes: "listen", "state-dir"
	Environ []string          // the environment, as os.Environ gives it
	Dir     string            // working directory: relative paths and .env
}

// Load reads and checks all layers. The error joins every *Fault that was found;
// the notices are worth showing either way.
func Load(src Source) (*Config, []Notice, error) {
	dir, err := filepath.Abs(src.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("find working directory: %w", err)
	}
	env, faults := tree.NewEnviron(src.Environ, dir)
	l := &loader{env: env, dir: dir, base: dir, root: tree.NewMap(Place{Layer: LayerFile}), servers: map[string]*tree.Node{}}
	l.d.Faults = faults
	l.file(src.File)
	tree.Expand(l.root, env, l.base)

	var c Config
	l.blocks()
	l.backendVariables()
	l.serverVariables()
	l.variables(reflect.TypeFor[Config](), "")
	l.flags(src.Flags)
	l.unknownVariables()
	l.d.Struct(reflect.ValueOf(&c).Elem(), l.root, "",
		"$schema", "inputs") // for editors: ours, and VS Code's prompts
	l.builtIns(&c)
	l.backends(&c)
	l.stateDir(&c)
	l.check(&c)

	if err := l.d.Err(); err != nil {
		return nil, l.d.Said(), err
	}
	c.file = l.path
	c.files = env.Files()
	c.entries = l.d.Entries
	return &c, l.d.Said(), nil
}

// loader carries one Load through its steps.
type loader struct {
	d       tree.Decoder
	env     *tree.Environ
	dir     string // working directory
	base    string // where relative paths in the file start
	path    string // the file that was read, absolute; or ""
	root    *tree.Node
	found   []*candidate
	servers map[string]*tree.Node // settings of built-in servers
}

// file reads the configuration file into root.
func (l *loader) file(name string) {
	asked := name != ""
	at := Place{Layer: LayerFlag, Name: "--config"}
	if !asked {
		if n := l.env.Lookup("DRAWBRIDGE_CONFIG"); n != nil {
			name, at, asked = n.Text, n.At, true
		}
	}
	if !asked {
		if name = l.usualFile(); name == "" {
			return
		}
	}
	path := tree.Absolute(name, l.dir)
	data, err := tree.ReadFile(path)
	if err != nil {
		if asked || !errors.Is(err, fs.ErrNotExist) {
			l.d.Failf(at, "", "configuration file %s %s; correct the path, or leave it out to start without one", name, tree.FileReason(err))
		}
		return
	}
	l.env.Read(path, data)
	l.path, l.base = path, folderOf(path)
	root, faults := tree.Parse(name, data)
	l.root = root
	l.d.Faults = append(l.d.Faults, faults...)
}

// usualFile is where a file is looked for when none was named.
func (l *loader) usualFile() string {
	home, ok := l.env.Value("XDG_CONFIG_HOME")
	if !ok || !filepath.IsAbs(home) {
		if l.env.Home() == "" {
			return ""
		}
		home = filepath.Join(l.env.Home(), ".config")
	}
	return filepath.Join(home, "drawbridge", "config.yaml")
}

// folderOf is the folder that relative paths in a file start from. Editors keep
// their file one below the project that it speaks of.
func folderOf(file string) string {
	dir := filepath.Dir(file)
	switch filepath.Base(dir) {
	case ".vscode", ".cursor":
		return filepath.Dir(dir)
	}
	return dir
}

// variables lays the environment over the file, by the env tags of Config.
func (l *loader) variables(t reflect.Type, path string) {
	tree.Fields(t, func(_ int, key string, field reflect.StructField) {
		at := tree.Under(path, key)
		name := field.Tag.Get("env")
		if name == "" {
			l.variables(field.Type, at)
			return
		}
		if n := l.env.Secret(name); n != nil {
			l.root.Set(at, n)
		}
	})
}

func (l *loader) flags(flags map[string]string) {
	for name, value := range flags {
		at := Place{Layer: LayerFlag, Name: "--" + name}
		l.root.Set(strings.ReplaceAll(name, "-", "_"), tree.NewText(value, at))
	}
}

// unknownVariables warns of variables that carry our name but mean nothing.
func (l *loader) unknownVariables() {
	for _, client := range []string{"DRAWBRIDGE_CONFIG", "DRAWBRIDGE_KEY", "DRAWBRIDGE_URL"} {
		l.env.Lookup(client) // read by the commands that call a running server
	}
	var known []string
	for name := range l.env.AskedFor() {
		if strings.HasPrefix(name, "DRAWBRIDGE_") {
			known = append(known, name)
		}
	}
	slices.Sort(known)
	for _, name := range l.env.Names() {
		if strings.HasPrefix(name, "DRAWBRIDGE_") && !slices.Contains(known, name) {
			l.d.Notef(Place{Layer: LayerEnv, Name: name}, "", "unknown variable%s; it is ignored", tree.DidYouMean(name, known))
		}
	}
}

// stateDir finds the state directory where nothing names one.
func (l *loader) stateDir(c *Config) {
	if c.StateDir != "" {
		c.StateDir = tree.Absolute(c.StateDir, l.dir)
		return
	}
	at := Place{Layer: LayerEnv, Name: "STATE_DIRECTORY"}
	dir, _ := l.env.Value(at.Name)
	dir, _, _ = strings.Cut(dir, ":") // systemd lists several
	if !filepath.IsAbs(dir) {
		at.Name = "XDG_STATE_HOME"
		if dir, _ = l.env.Value(at.Name); filepath.IsAbs(dir) {
			dir = filepath.Join(dir, "drawbridge")
		}
	}
	if !filepath.IsAbs(dir) {
		at = Place{Layer: LayerDefault}
		if dir = l.env.Home(); filepath.IsAbs(dir) {
			dir = filepath.Join(dir, ".local", "state", "drawbridge")
		}
	}
	if !filepath.IsAbs(dir) {
		l.d.Failf(Place{}, "state_dir", "there is no home folder to keep state in; set --state-dir or DRAWBRIDGE_STATE_DIR")
		return
	}
	c.StateDir = dir
	l.d.Entries = append(l.d.Entries, tree.Entry{Path: "state_dir", Shown: dir, At: at})
}
