// Package archtest holds the code base to its own rules: which package may
// import which, what must be documented, how long things may grow, which modules
// may be required, and that ARCHITECTURE.md tells the truth about the tree.
//
// Load reads a module from a file system without running the go command; each
// check is a function from what was loaded to a list of findings. The tests of
// this package run every check twice: on the repository, where nothing may be
// found, and on small made-up modules, where exactly the planted fault must be.
package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Finding is one broken rule at one place.
type Finding struct {
	At  string // file, file:line, folder or module
	Why string
}

// String is the finding as one line.
func (f Finding) String() string { return f.At + ": " + f.Why }

// File is one parsed Go file.
type File struct {
	Path  string // from the module's root, with slashes
	Test  bool   // its name ends in _test.go
	Lines int
	AST   *ast.File
	Src   string
}

// Package is the Go files of one folder.
type Package struct {
	Dir   string // from the module's root, with slashes
	Files []*File
}

// Tree is a module as read from its files.
type Tree struct {
	Module   string // module path
	Require  []string
	Replace  []string
	Packages []*Package // by folder
	Fset     *token.FileSet
	FS       fs.FS
	Files    []string // every file that belongs to the repository
}

// skip tells folders that hold nothing of the repository: made by a build, or
// kept out of version control. See .gitignore.
func skip(dir string) bool {
	switch dir {
	case ".git", ".tools", "bin", "build", "state":
		return true
	}
	return path.Base(dir) == "node_modules"
}

// Load reads the module whose root is fsys. A folder with a go.mod of its own is
// another module: its files count as files, not as packages.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{Fset: token.NewFileSet(), FS: fsys}
	if err := t.readMod(); err != nil {
		return nil, err
	}
	packages := map[string]*Package{}
	foreign := []string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skip(name) {
				return fs.SkipDir
			}
			if name != "." && exists(fsys, path.Join(name, "go.mod")) {
				foreign = append(foreign, name+"/")
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		t.Files = append(t.Files, name)
		within := func(dir string) bool { return strings.HasPrefix(name, dir) }
		if path.Ext(name) != ".go" || slices.ContainsFunc(foreign, within) || ignoredByGo(name) {
			return nil
		}
		return t.add(packages, name)
	})
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	for _, p := range packages {
		t.Packages = append(t.Packages, p)
	}
	slices.SortFunc(t.Packages, func(a, b *Package) int { return strings.Compare(a.Dir, b.Dir) })
	return t, nil
}

func (t *Tree) add(packages map[string]*Package, name string) error {
	src, err := fs.ReadFile(t.FS, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.Fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if packages[dir] == nil {
		packages[dir] = &Package{Dir: dir}
	}
	packages[dir].Files = append(packages[dir].Files, &File{
		Path:  name,
		Test:  strings.HasSuffix(name, "_test.go"),
		Lines: strings.Count(string(src), "\n"),
		AST:   parsed,
		Src:   string(src),
	})
	return nil
}

// ignoredByGo tells files under folders that the go command passes over.
func ignoredByGo(name string) bool {
	for part := range strings.SplitSeq(path.Dir(name), "/") {
		if part == "testdata" || strings.HasPrefix(part, "_") || (strings.HasPrefix(part, ".") && part != ".") {
			return true
		}
	}
	return false
}

func exists(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return !errors.Is(err, fs.ErrNotExist)
}

// Check runs every check on the tree.
func Check(t *Tree) []Finding {
	return slices.Concat(
		Layers(t, Rules, Bans),
		Environment(t),
		Inits(t),
		Sleeps(t),
		PackageDocs(t),
		ExportedDocs(t),
		Sizes(t, Exempt),
		Requirements(t, Allowed),
		Folders(t),
		Words(t),
	)
}

// code calls f for every file that goes into the program: no _test.go file and
// no file of a test package.
func (t *Tree) code(f func(p *Package, file *File)) {
	for _, p := range t.Packages {
		if testOnly(p.Dir) {
			continue
		}
		for _, file := range p.Files {
			if !file.Test {
				f(p, file)
			}
		}
	}
}

func (t *Tree) line(file *File, pos token.Pos) string {
	return fmt.Sprintf("%s:%d", file.Path, t.Fset.Position(pos).Line)
}
