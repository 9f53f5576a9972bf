package archtest

import (
	"fmt"
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// Environment finds reads of the process's environment outside of configuration.
func Environment(t *Tree) []Finding {
	var out []Finding
	names := []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}
	t.code(func(p *Package, file *File) {
		if matchesAny(environmentReaders, p.Dir) {
			return
		}
		for _, from := range []string{"os", "syscall"} {
			for _, use := range uses(file, from, names) {
				out = append(out, Finding{t.line(file, use.Pos()), fmt.Sprintf(
					"%s.%s: settings come in through a Config; only config and the command read the environment", from, use.Sel.Name)})
			}
		}
	})
	return out
}

// Inits finds init functions: they run before anybody could hand them anything.
func Inits(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		for _, file := range p.Files {
			for _, d := range file.AST.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					out = append(out, Finding{t.line(file, f.Pos()), "init function: build it in a constructor that app calls"})
				}
			}
		}
	}
	return out
}

// Sleeps finds tests that wait by the clock. A file that uses testing/synctest
// may sleep, since time is not real there; and so may a line with a comment above
// it that says what it does there, if it is not waiting.
func Sleeps(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		for _, file := range p.Files {
			if !file.Test || importName(file, "testing/synctest") != "" {
				continue
			}
			explained := map[int]bool{}
			for _, c := range file.AST.Comments {
				explained[t.Fset.Position(c.End()).Line+1] = true
			}
			for _, use := range uses(file, "time", []string{"Sleep"}) {
				if explained[t.Fset.Position(use.Pos()).Line] {
					continue
				}
				out = append(out, Finding{t.line(file, use.Pos()), "a test that sleeps is slow and still fails: wait for the event, or use testing/synctest"})
			}
		}
	}
	return out
}

// uses finds the mentions of the named things of an imported package.
func uses(file *File, imported string, names []string) []*ast.SelectorExpr {
	local := importName(file, imported)
	if local == "" {
		return nil
	}
	var out []*ast.SelectorExpr
	ast.Inspect(file.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && slices.Contains(names, sel.Sel.Name) {
			out = append(out, sel)
		}
		return true
	})
	return out
}

// importName is the name under which file knows the import, or "".
func importName(file *File, imported string) string {
	for _, spec := range file.AST.Imports {
		if got, _ := strconv.Unquote(spec.Path.Value); got != imported {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return imported[strings.LastIndexByte(imported, '/')+1:]
	}
	return ""
}

// Sizes finds what has grown too long to read: functions, files and packages of
// the program. Tests are not counted: a table may be as long as its rows.
func Sizes(t *Tree, exempt map[string]string) []Finding {
	var out []Finding
	used := map[string]bool{}
	over := func(at, what string, lines, limit int) {
		if lines <= limit {
			return
		}
		if _, ok := exempt[at]; ok {
			used[at] = true
			return
		}
		out = append(out, Finding{at, fmt.Sprintf("%s of %d lines, at most %d", what, lines, limit)})
	}
	total := map[string]int{}
	t.code(func(p *Package, file *File) {
		total[p.Dir] += file.Lines
		over(file.Path, "file", file.Lines, maxFile)
		for _, d := range file.AST.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				lines := t.Fset.Position(f.End()).Line - t.Fset.Position(f.Pos()).Line + 1
				over(file.Path+" "+funcName(f), "function", lines, maxFunction)
			}
		}
	})
	for _, p := range t.Packages {
		over(p.Dir, "package", total[p.Dir], maxPackage)
	}
	for at, why := range exempt {
		switch {
		case !used[at]:
			out = append(out, Finding{at, "is exempt from a size it does not have: remove the exemption"})
		case why == "":
			out = append(out, Finding{at, "is exempt without a reason"})
		}
	}
	return out
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	return receiver(f) + "." + f.Name.Name
}

// receiver is the name of the type that f is a method of.
func receiver(f *ast.FuncDecl) string {
	typ := f.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
