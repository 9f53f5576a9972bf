package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// PackageDocs finds packages that do not say what they are for, or say it twice.
func PackageDocs(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		var docs []string
		code := slices.DeleteFunc(slices.Clone(p.Files), func(f *File) bool { return f.Test })
		for _, file := range code {
			if file.AST.Doc != nil && strings.TrimSpace(file.AST.Doc.Text()) != "" {
				docs = append(docs, file.Path)
			}
		}
		// A folder of tests alone says in one of them what it tests.
		if len(code) == 0 && slices.ContainsFunc(p.Files, func(f *File) bool { return f.AST.Doc != nil }) {
			continue
		}
		switch len(docs) {
		case 0:
			out = append(out, Finding{p.Dir, "no package comment: say what it is for, what it refuses to do, and who calls it"})
		case 1:
		default:
			out = append(out, Finding{p.Dir, "more than one package comment: " + strings.Join(docs, ", ")})
		}
	}
	return out
}

// ExportedDocs finds exported names without a comment. A run of declarations
// without an empty line between them shares the comment above the first.
func ExportedDocs(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		exported := exportedTypes(p)
		for _, file := range p.Files {
			if file.Test {
				continue
			}
			end, shared := 0, false
			for _, d := range file.AST.Decls {
				start := t.Fset.Position(d.Pos()).Line
				shared = declDoc(d) != nil || (shared && start == end+1)
				end = t.Fset.Position(d.End()).Line
				for _, id := range undocumented(d, shared, exported) {
					out = append(out, Finding{t.line(file, id.Pos()), fmt.Sprintf("%s is exported without a comment", id.Name)})
				}
			}
		}
	}
	return out
}

func exportedTypes(p *Package) map[string]bool {
	names := map[string]bool{}
	for _, file := range p.Files {
		for _, d := range file.AST.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() {
					names[ts.Name.Name] = true
				}
			}
		}
	}
	return names
}

func declDoc(d ast.Decl) *ast.CommentGroup {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Doc
	case *ast.GenDecl:
		return d.Doc
	}
	return nil
}

// customary tells methods whose contract the language or the standard library
// gives.
func customary(method string) bool {
	switch method {
	case "Error", "Unwrap", "String", "Read", "Write", "ServeHTTP":
		return true
	}
	return false
}

// undocumented lists the exported names of d that no comment covers.
func undocumented(d ast.Decl, covered bool, exported map[string]bool) []*ast.Ident {
	if covered {
		return nil
	}
	var out []*ast.Ident
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || (exported[receiver(d)] && !customary(d.Name.Name))) {
			out = append(out, d.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Doc == nil && s.Comment == nil && s.Name.IsExported() {
					out = append(out, s.Name)
				}
			case *ast.ValueSpec:
				if s.Doc != nil || s.Comment != nil {
					continue
				}
				for _, id := range s.Names {
					if id.IsExported() {
						out = append(out, id)
					}
				}
			}
		}
	}
	return out
}
