package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"drawbridge/internal/secret"
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
	env, faults := newEnviron(src.Environ, dir)
	l := &loader{env: env, dir: dir, base: dir, root: mapNode(Place{Layer: LayerFile}), servers: map[string]*node{}}
	l.d.faults = faults
	l.file(src.File)
	(&expander{env: env, dir: l.base}).tree(l.root)

	var c Config
	l.blocks()
	l.backendVariables()
	l.serverVariables()
	l.variables(reflect.TypeFor[Config](), "")
	l.flags(src.Flags)
	l.unknownVariables()
	l.d.structure(reflect.ValueOf(&c).Elem(), l.root, "",
		"$schema", "inputs") // for editors: ours, and VS Code's prompts
	l.builtIns(&c)
	l.backends(&c)
	l.stateDir(&c)
	l.check(&c)

	c.file = l.path
	c.files = env.files
	if l.path != "" {
		c.files = slices.Insert(env.files, 0, l.path)
	}
	c.entries = l.d.entries
	return &c, l.d.notices, l.d.err()
}

func (d *decoder) err() error {
	if len(d.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(d.faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line))
	})
	errs := make([]error, len(d.faults))
	for i, f := range d.faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}

// loader carries one Load through its steps.
type loader struct {
	d       decoder
	env     *environ
	dir     string // working directory
	base    string // where relative paths in the file start
	path    string // the file that was read, absolute; or ""
	root    *node
	found   []*candidate
	servers map[string]*node // settings of built-in servers
}

// file reads the configuration file into root.
func (l *loader) file(name string) {
	asked := name != ""
	at := Place{Layer: LayerFlag, Name: "--config"}
	if !asked {
		if n := l.env.lookup("DRAWBRIDGE_CONFIG"); n != nil {
			name, at, asked = n.text, n.at, true
		}
	}
	if !asked {
		if name = l.usualFile(); name == "" {
			return
		}
	}
	path := absolute(name, l.dir)
	data, err := readFile(path)
	if err != nil {
		if asked || !errors.Is(err, fs.ErrNotExist) {
			l.d.failf(at, "", "configuration file %s %s; correct the path, or leave it out to start without one", name, fileReason(err))
		}
		return
	}
	l.path, l.base = path, folderOf(path)
	root, faults := parse(name, data)
	l.root = root
	l.d.faults = append(l.d.faults, faults...)
}

// usualFile is where a file is looked for when none was named.
func (l *loader) usualFile() string {
	home, ok := l.env.value("XDG_CONFIG_HOME")
	if !ok || !filepath.IsAbs(home) {
		if l.env.home() == "" {
			return ""
		}
		home = filepath.Join(l.env.home(), ".config")
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
	fields(t, func(_ int, key string, field reflect.StructField) {
		at := under(path, key)
		name := field.Tag.Get("env")
		if name == "" {
			l.variables(field.Type, at)
			return
		}
		read := l.env.lookup
		if field.Type == reflect.TypeFor[secret.String]() {
			read = l.env.secret
		}
		if n := read(name); n != nil {
			l.root.set(at, n)
		}
	})
}

func (l *loader) flags(flags map[string]string) {
	for name, value := range flags {
		at := Place{Layer: LayerFlag, Name: "--" + name}
		l.root.set(strings.ReplaceAll(name, "-", "_"), textNode(value, at))
	}
}

// unknownVariables warns of variables that carry our name but mean nothing.
func (l *loader) unknownVariables() {
	for _, client := range []string{"DRAWBRIDGE_CONFIG", "DRAWBRIDGE_KEY", "DRAWBRIDGE_URL"} {
		l.env.used[client] = true // read by the commands that call a running server
	}
	var known []string
	for name := range l.env.used {
		if strings.HasPrefix(name, "DRAWBRIDGE_") {
			known = append(known, name)
		}
	}
	slices.Sort(known)
	for _, name := range l.env.names() {
		if strings.HasPrefix(name, "DRAWBRIDGE_") && !l.env.used[name] {
			l.d.notef(Place{Layer: LayerEnv, Name: name}, "", "unknown variable%s; it is ignored", didYouMean(name, known))
		}
	}
}

// stateDir finds the state directory where nothing names one.
func (l *loader) stateDir(c *Config) {
	if c.StateDir != "" {
		c.StateDir = absolute(c.StateDir, l.dir)
		return
	}
	at := Place{Layer: LayerEnv, Name: "STATE_DIRECTORY"}
	dir, _ := l.env.value(at.Name)
	dir, _, _ = strings.Cut(dir, ":") // systemd lists several
	if !filepath.IsAbs(dir) {
		at.Name = "XDG_STATE_HOME"
		if dir, _ = l.env.value(at.Name); filepath.IsAbs(dir) {
			dir = filepath.Join(dir, "drawbridge")
		}
	}
	if !filepath.IsAbs(dir) {
		at = Place{Layer: LayerDefault}
		if dir = l.env.home(); filepath.IsAbs(dir) {
			dir = filepath.Join(dir, ".local", "state", "drawbridge")
		}
	}
	if !filepath.IsAbs(dir) {
		l.d.failf(Place{}, "state_dir", "there is no home folder to keep state in; set --state-dir or DRAWBRIDGE_STATE_DIR")
		return
	}
	c.StateDir = dir
	l.d.entries = append(l.d.entries, entry{"state_dir", dir, at})
}
