package command

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"drawbridge/internal/fault"
)

// maxDepth bounds sh -c inside of sh -c.
const maxDepth = 8

// Parse lists the simple commands of a command line, those that others would
// start for it included. An error says what cannot be judged.
func Parse(text string) ([]Simple, error) { return parse(text, 0) }

func parse(text string, depth int) ([]Simple, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, fault.New(fault.Invalid, "The command is empty. Say what should run.")
	case len(text) > MaxLength:
		return nil, fault.New(fault.Invalid, "The command has %d bytes, at most %d are taken. Put the long part into stdin or a file.", len(text), MaxLength)
	case depth > maxDepth:
		return nil, refuse("shells are nested too deep")
	case strings.IndexFunc(text, control) >= 0:
		return nil, fault.New(fault.Invalid, "The command has a control character. Only line feeds and tabs are taken; leave the others out.")
	}
	// The host's sh may be dash or bash: what they read differently is refused.
	if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), ""); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "The command is not one for a POSIX shell. Check quotes and brackets, and use no extensions of bash.")
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "Shells disagree on how to read the command. Write it more plainly.")
	}
	r := reader{depth: depth}
	syntax.Walk(file, func(n syntax.Node) bool {
		if r.err == nil && n != nil {
			r.err = r.visit(n)
		}
		return r.err == nil
	})
	if r.err != nil {
		return nil, r.err
	}
	return r.found, nil
}

func control(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\ufeff' }

// reader collects the simple commands of one parsed text.
type reader struct {
	depth int
	found []Simple
	err   error
}

func (r *reader) visit(n syntax.Node) error {
	switch n := n.(type) {
	case *syntax.Stmt:
		return r.statement(n)
	case *syntax.FuncDecl:
		return refuse("it defines a function")
	case *syntax.CoprocClause, *syntax.LetClause, *syntax.ArithmCmd, *syntax.TestClause, *syntax.ProcSubst, *syntax.ExtGlob:
		return refuse("it uses what only some shells know")
	case *syntax.ArithmExp:
		if !plainNumbers(n.X) {
			return refuse("it computes with variables, whose content a shell may run")
		}
	case *syntax.ParamExp:
		if n.Excl || n.Index != nil || n.Slice != nil || n.Names != 0 || n.Exp != nil && foreign(n.Exp.Op) {
			return refuse("it uses an expansion of bash, or one that sets a variable")
		}
	case *syntax.WordIter:
		if Treacherous(n.Name.Value) {
			return refuse("it sets %s, which changes what a name stands for", n.Name.Value)
		}
	case *syntax.SglQuoted:
		if n.Dollar {
			return refuse("$'...' means different things to different shells")
		}
	case *syntax.DblQuoted:
		if n.Dollar {
			return refuse(`$"..." means different things to different shells`)
		}
	}
	return nil
}

// foreign tells expansions that evaluate or assign.
func foreign(op syntax.ParExpOperator) bool {
	return op == syntax.OtherParamOps || op == syntax.AssignUnset || op == syntax.AssignUnsetOrNull
}

// plainNumbers tells an arithmetic expression without variables.
func plainNumbers(x syntax.Node) bool {
	plain := true
	syntax.Walk(x, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Lit:
			plain = plain && strings.Trim(n.Value, "0123456789") == ""
		case *syntax.ParamExp, *syntax.CmdSubst, *syntax.DblQuoted, *syntax.SglQuoted:
			plain = false
		}
		return plain
	})
	return plain
}

// statement judges one statement's own part; the walk comes to what is in it.
func (r *reader) statement(s *syntax.Stmt) error {
	writes, err := redirections(s.Redirs)
	if err != nil {
		return err
	}
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		return r.call(c, writes)
	case *syntax.DeclClause:
		return r.declaration(c, writes)
	case nil:
		if len(writes) > 0 {
			r.found = append(r.found, Simple{Words: []Word{{":", true}}, Writes: writes})
		}
		return nil
	}
	if len(writes) > 0 { // of a group or a loop
		r.found = append(r.found, Simple{Words: []Word{{":", true}}, Writes: writes})
	}
	return nil
}

// redirections lists the targets that are written to.
func redirections(all []*syntax.Redirect) (writes []Word, err error) {
	for _, d := range all {
		switch d.Op {
		case syntax.RdrIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
			if w := wordOf(d.Word); d.Op == syntax.RdrIn && (!w.Fixed || strings.HasPrefix(w.Text, "/dev/tcp/") || strings.HasPrefix(w.Text, "/dev/udp/")) {
				return nil, refuse("what it reads from is computed")
			}
		case syntax.DplIn, syntax.DplOut:
			if w := wordOf(d.Word); !w.Fixed || strings.Trim(w.Text, "0123456789-") != "" {
				return nil, refuse("where it redirects to is computed")
			}
		default:
			w := wordOf(d.Word)
			if strings.HasPrefix(w.Text, "/dev/tcp/") || strings.HasPrefix(w.Text, "/dev/udp/") {
				return nil, refuse("it opens a network connection by redirection")
			}
			if w != (Word{"/dev/null", true}) {
				writes = append(writes, w)
			}
		}
	}
	return writes, nil
}

// Harmless tells a variable that changes only how a program shows things.
func Harmless(name string) bool {
	return name == "LANG" || name == "TZ" || name == "COLUMNS" || name == "TERM" || strings.HasPrefix(name, "LC_")
}

// Treacherous tells a variable that changes which program a name stands for, or
// what every program does.
func Treacherous(name string) bool {
	switch name {
	case "PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "CDPATH", "SHELL":
		return true
	}
	return strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "BASH_FUNC")
}

// assignments checks variables that are set, for one program or from here on.
func assignments(all []*syntax.Assign) (changed bool, err error) {
	for _, a := range all {
		if a.Name == nil || a.Array != nil || a.Index != nil {
			return false, refuse("it sets a variable whose name is computed")
		}
		if Treacherous(a.Name.Value) {
			return false, refuse("it sets %s, which changes what a name stands for", a.Name.Value)
		}
		changed = changed || !Harmless(a.Name.Value)
	}
	return changed, nil
}

func (r *reader) declaration(c *syntax.DeclClause, writes []Word) error {
	if _, err := assignments(c.Args); err != nil {
		return err
	}
	if v := c.Variant.Value; v != "export" && v != "readonly" {
		return refuse("it uses %s, which only some shells know", v)
	}
	r.found = append(r.found, Simple{Words: []Word{{c.Variant.Value, true}}, Writes: writes})
	return nil
}

func (r *reader) call(c *syntax.CallExpr, writes []Word) error {
	changed, err := assignments(c.Assigns)
	if err != nil {
		return err
	}
	s := Simple{Writes: writes, environment: changed}
	for _, w := range c.Args {
		s.Words = append(s.Words, wordOf(w))
	}
	if len(s.Words) == 0 {
		s.Words = []Word{{":", true}}
		s.environment = false // a shell variable; using it later makes a computed word
	}
	return r.add(s)
}

// add takes a simple command and those it starts.
func (r *reader) add(s Simple) error {
	for range maxDepth * 2 {
		if len(s.Words) == 0 || !s.Words[0].Fixed || s.Words[0].Text == "" {
			return refuse("the name of a program is computed")
		}
		inner, done, err := r.unwrap(&s)
		if err != nil {
			return err
		}
		if inner == nil {
			if !done {
				r.found = append(r.found, s)
			}
			return nil
		}
		s = Simple{Words: inner, Writes: s.Writes, environment: s.environment}
	}
	return refuse("programs that start programs are nested too deep")
}

// wordOf is what a shell makes of a word. Pathname patterns, braces and a leading
// tilde are computed, too.
func wordOf(w *syntax.Word) Word {
	if w == nil {
		return Word{"", true}
	}
	var b strings.Builder
	for i, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			text, computed := literal(p.Value, i == 0, len(w.Parts) == 1)
			b.WriteString(text)
			if computed {
				return Word{b.String(), false}
			}
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			for _, q := range p.Parts {
				lit, ok := q.(*syntax.Lit)
				if !ok {
					return Word{b.String(), false}
				}
				b.WriteString(quotedLiteral(lit.Value))
			}
		default:
			return Word{b.String(), false}
		}
	}
	return Word{b.String(), true}
}

// literal takes the backslashes out of unquoted text, and stops where the shell
// would compute. whole says that s is all of its word: a bracket that nothing
// closes is itself then.
func literal(s string, first, whole bool) (text string, computed bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			if i++; i < len(s) && s[i] != '\n' {
				b.WriteByte(s[i])
			}
		case '*', '?':
			return b.String(), true
		case '[':
			if !whole || strings.Contains(s[i:], "]") {
				return b.String(), true
			}
			b.WriteByte(c)
		case '{':
			if strings.ContainsAny(s[i:], ",") || strings.Contains(s[i:], "..") || !strings.Contains(s[i:], "}") {
				return b.String(), true
			}
			b.WriteByte(c)
		case '~':
			if first && i == 0 {
				return "", true
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), false
}

// quotedLiteral takes the backslashes out of double-quoted text, POSIX 2.2.3.
func quotedLiteral(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("$`\"\\\n", s[i+1]) >= 0 {
			if i++; s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
