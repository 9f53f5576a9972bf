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
		if !private(n.Name.Value) {
			r.found = append(r.found, nothing(nil, true))
		}
	case *syntax.CStyleLoop:
		return refuse("it uses what only some shells know")
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
	writes, reads, err := redirections(s.Redirs)
	if err != nil {
		return err
	}
	if len(reads) > 0 {
		r.found = append(r.found, Simple{Words: []Word{fixed(":")}, Reads: reads})
	}
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		return r.call(c, writes)
	case *syntax.DeclClause:
		return r.declaration(c, writes)
	case nil:
		if len(writes) > 0 {
			r.found = append(r.found, nothing(writes, false))
		}
		return nil
	}
	if len(writes) > 0 { // of a group or a loop
		r.found = append(r.found, nothing(writes, false))
	}
	return nil
}

// nothing is a command that runs no program, but may write or set variables.
func nothing(writes []Word, altered bool) Simple {
	return Simple{Words: []Word{fixed(":")}, Writes: writes, altered: altered}
}

// redirections lists the files that are written to, and those that are read.
func redirections(all []*syntax.Redirect) (writes, reads []Word, err error) {
	for _, d := range all {
		if d.N != nil && strings.Trim(d.N.Value, "0123456789") != "" {
			return nil, nil, refuse("a redirection sets a variable")
		}
		switch d.Op {
		case syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		case syntax.RdrIn:
			w := wordOf(d.Word)
			if !w.Fixed || strings.HasPrefix(w.Text, "/dev/tcp/") || strings.HasPrefix(w.Text, "/dev/udp/") {
				return nil, nil, refuse("what it reads from is computed")
			}
			reads = append(reads, w)
		case syntax.DplIn, syntax.DplOut:
			if w := wordOf(d.Word); !w.Fixed || strings.Trim(w.Text, "0123456789-") != "" {
				return nil, nil, refuse("where it redirects to is computed")
			}
		default:
			w := wordOf(d.Word)
			if strings.HasPrefix(w.Text, "/dev/tcp/") || strings.HasPrefix(w.Text, "/dev/udp/") {
				return nil, nil, refuse("it opens a network connection by redirection")
			}
			if w != fixed("/dev/null") {
				writes = append(writes, w)
			}
			if d.Op == syntax.RdrInOut {
				reads = append(reads, w)
			}
		}
	}
	return writes, reads, nil
}

// Harmless tells a variable that changes only how a program shows things.
func Harmless(name string) bool {
	return name == "LANG" || name == "TZ" || name == "COLUMNS" || name == "TERM" || strings.HasPrefix(name, "LC_")
}

// private tells a variable that programs do not look at: in small letters, and none
// of those that name proxies.
func private(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && name[0] != '_' && !strings.HasSuffix(name, "_proxy")
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
func assignments(all []*syntax.Assign) error {
	for _, a := range all {
		if a.Name == nil || a.Array != nil || a.Index != nil || a.Append {
			return refuse("it sets a variable whose name is computed, or in a way of bash")
		}
		if Treacherous(a.Name.Value) {
			return refuse("it sets %s, which changes what a name stands for", a.Name.Value)
		}
	}
	return nil
}

// declaration takes export and readonly, which are not in the table: programs that
// run later see the variable.
func (r *reader) declaration(c *syntax.DeclClause, writes []Word) error {
	if v := c.Variant.Value; v != "export" && v != "readonly" {
		return refuse("it uses %s, which only some shells know", v)
	}
	if err := assignments(c.Args); err != nil {
		return err
	}
	for _, a := range c.Args {
		if wordOf(a.Value).Split { // dash splits it, and sets what comes out
			return refuse("what %s sets is computed without quotes", c.Variant.Value)
		}
	}
	r.found = append(r.found, Simple{Words: []Word{fixed(c.Variant.Value)}, Writes: writes})
	return nil
}

func (r *reader) call(c *syntax.CallExpr, writes []Word) error {
	if err := assignments(c.Assigns); err != nil {
		return err
	}
	s := Simple{Writes: writes}
	for _, a := range c.Assigns {
		// One that stands alone stays a variable of the shell, unless it was exported
		// before.
		s.altered = s.altered || !Harmless(a.Name.Value) && (len(c.Args) > 0 || !private(a.Name.Value))
	}
	for _, w := range c.Args {
		s.Words = append(s.Words, wordOf(w))
	}
	if len(s.Words) == 0 {
		s.Words = []Word{fixed(":")}
	}
	return r.add(s)
}

// add takes a simple command and those it starts.
func (r *reader) add(s Simple) error {
	for range maxDepth * 2 {
		if len(s.Words) == 0 || !s.Words[0].Fixed || s.Words[0].Text == "" {
			return refuse("the name of a program is computed")
		}
		if strings.IndexByte("-+", s.Words[0].Text[0]) >= 0 {
			return refuse("the option %s stands where a program should", s.Words[0].Text)
		}
		inner, done, err := r.unwrap(&s)
		if err != nil {
			return err
		}
		if inner == nil {
			switch {
			case !done:
				r.found = append(r.found, s)
			case len(s.Writes) > 0 || s.altered: // of a shell whose commands are taken
				r.found = append(r.found, nothing(s.Writes, s.altered))
			}
			return nil
		}
		s = Simple{Words: inner, Writes: s.Writes, altered: s.altered}
	}
	return refuse("programs that start programs are nested too deep")
}
