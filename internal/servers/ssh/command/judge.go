package command

import (
	"path"
	"slices"
	"strings"

	"drawbridge/internal/fault"
)

// Pattern names commands: words with * and ? in them. A last word that is * stands
// for any rest. A program is named without its folder, or with it.
type Pattern struct {
	text  string
	words []string
}

// ParsePattern reads a pattern as an operator writes it.
func ParsePattern(text string) (Pattern, error) {
	p := Pattern{text, strings.Fields(text)}
	if len(p.words) == 0 {
		return p, fault.New(fault.Invalid, "A pattern for commands is empty. Write the program and its words, such as: systemctl restart *.")
	}
	for _, w := range p.words {
		if _, err := path.Match(w, ""); err != nil {
			return p, fault.Wrap(err, fault.Invalid, "The pattern %q is not one for commands. Use * and ? only.", text)
		}
	}
	return p, nil
}

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// answer is whether a pattern fits; maybe, where a word is computed on the host.
type answer int

const (
	no answer = iota
	maybe
	yes
)

func (p Pattern) fits(s Simple) answer {
	computed := slices.ContainsFunc(s.Words, func(w Word) bool { return !w.Fixed })
	result := p.fitsProgram(s.Words[0].Text)
	if slices.ContainsFunc(s.Words, func(w Word) bool { return w.Split }) {
		result = min(result, maybe) // whatever the rest of the pattern takes
	}
	for i, w := range p.words[1:] {
		if i+2 == len(p.words) && w == "*" {
			return result
		}
		if result == no || i+1 >= len(s.Words) {
			return lengthDiffers(result, computed)
		}
		result = min(result, fitsWord(w, s.Words[i+1]))
		if s.Words[i+1].Split || s.Words[i+1].Many {
			return min(result, maybe) // the words after it may be anywhere
		}
	}
	if len(s.Words) == len(p.words) {
		return result
	}
	return lengthDiffers(result, computed)
}

// lengthDiffers is the answer where words are missing or left over: one that is
// computed may stand for any number of them.
func lengthDiffers(result answer, computed bool) answer {
	if computed {
		return min(result, maybe)
	}
	return no
}

// fitsProgram matches a program's name. One in a folder that is not for programs
// may be anything, whatever it is called.
func (p Pattern) fitsProgram(program string) answer {
	name := path.Base(program)
	if fitsWord(p.words[0], fixed(program)) == yes || fitsWord(p.words[0], fixed(baseName(program))) == yes {
		return yes
	}
	return min(maybe, fitsWord(p.words[0], fixed(name)))
}

// fitsWord matches one word. * crosses slashes: a word is no path to a pattern.
func fitsWord(pattern string, w Word) answer {
	if w.Fixed {
		flat := strings.NewReplacer("/", "\x01")
		if ok, err := path.Match(flat.Replace(pattern), flat.Replace(w.Text)); err == nil && ok {
			return yes
		}
		return no
	}
	head := pattern
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		head = pattern[:i]
	}
	if n := min(len(head), len(w.Text)); head[:n] != w.Text[:n] {
		return no
	}
	return maybe
}

// Rules are what an operator lets somebody run on a host.
type Rules struct {
	Allow []Pattern // empty: everything that can be judged
	Deny  []Pattern // counts more than Allow
	Write []string  // path patterns that redirections may write to; empty: any, or none where Allow is set
	Read  []string  // path patterns that may be read; with any, only what Allow names runs
}

// Verdict is what is known of an allowed command.
type Verdict struct {
	Class    Class
	Commands []string // what runs, one line each
}

// Judge parses a command and holds it to the rules.
func Judge(text string, rules Rules) (Verdict, error) {
	found, err := Parse(text)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Class: Reads}
	for _, s := range found {
		if err := rules.check(s); err != nil {
			return v, err
		}
		v.Class = max(v.Class, s.class())
		if len(s.Reads) == 0 {
			v.Commands = append(v.Commands, s.String())
		}
	}
	return v, nil
}

// check holds one simple command to the rules.
func (r Rules) check(s Simple) error {
	for _, d := range r.Deny {
		switch d.fits(s) {
		case yes:
			return fault.New(fault.Forbidden, "The command %q is denied here by the rule %q. The operator can change it in the policy of the ssh server.", s, d)
		case maybe:
			return fault.New(fault.Forbidden, "The command %q may be one that the rule %q denies; it cannot be told because a word is computed on the host. Write the word out.", s, d)
		}
	}
	named := false
	for _, a := range r.Allow {
		named = named || a.fits(s) == yes
	}
	switch {
	case len(r.Allow) > 0 && !named && s.Words[0].Text != ":":
		return fault.New(fault.Forbidden, "The command %q is not among those allowed here. The operator can add it to the policy of the ssh server.", s)
	case len(r.Read) > 0 && !named && s.Words[0].Text != ":":
		return fault.New(fault.Forbidden, "The policy limits which files may be read here, and the command %q could read others. Use read_file and tail_log, or ask the operator to allow the command.", s)
	case s.Unseen && !named:
		return fault.New(fault.Forbidden, "The program %s runs code that its arguments do not show, so it cannot be judged. "+
			"Use plain programs, or ask the operator to allow it by name in the policy of the ssh server.", s.Program())
	case len(r.Allow) > 0 && s.altered:
		return fault.New(fault.Forbidden, "The command %q runs with variables, or in a session of its own, which the list of allowed commands does not tell. Leave that out.", s)
	}
	for _, w := range s.Reads {
		if len(r.Read) > 0 && w != fixed("/dev/null") && (!w.Fixed || !MatchPath(r.Read, w.Text)) {
			return fault.New(fault.Forbidden, "The command reads from %q, which the policy of the ssh server does not allow. Choose another path, or ask the operator.", w.Text)
		}
	}
	for _, w := range s.Writes {
		if err := r.writes(w); err != nil {
			return err
		}
	}
	return nil
}

func (r Rules) writes(w Word) error {
	if len(r.Write) == 0 && len(r.Allow) == 0 {
		return nil
	}
	if !w.Fixed {
		return refuse("where it writes to is computed")
	}
	if !MatchPath(r.Write, w.Text) {
		return fault.New(fault.Forbidden, "The command writes to %q, which the policy of the ssh server does not allow. Choose another path, or ask the operator.", w.Text)
	}
	return nil
}

// MatchPath tells whether a path fits one of the patterns. Elements are matched
// one by one; a last element ** stands for everything below. A path that is not
// absolute and clean fits none.
func MatchPath(patterns []string, p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p && slices.ContainsFunc(patterns, func(pattern string) bool {
		if root, below := strings.CutSuffix(pattern, "/**"); below {
			want := strings.Count(root, "/")
			head := p
			for strings.Count(head, "/") > want {
				head = path.Dir(head)
				if head == "/" {
					head = ""
				}
			}
			ok, err := path.Match(root, head)
			return err == nil && ok && len(p) > len(head)
		}
		ok, err := path.Match(pattern, p)
		return err == nil && ok
	})
}

// class is how much one simple command may do.
func (s Simple) class() Class {
	switch {
	case becomesAnother[s.Program()]:
		return Privileged
	case len(s.Writes) > 0 || s.altered || s.Unseen:
		return Changes
	case readsOnly(s):
		return Reads
	}
	return Changes
}

// JudgeArguments holds an argument list, which no shell reads, to the rules and to
// the table of programs that only read.
func JudgeArguments(argv []string, rules Rules) error {
	if len(argv) == 0 || argv[0] == "" {
		return fault.New(fault.Invalid, "argv is empty. Give the program and its arguments, one by one.")
	}
	s := Simple{}
	for _, a := range argv {
		if strings.IndexByte(a, 0) >= 0 {
			return fault.New(fault.Invalid, "A NUL character cannot be part of a command. Leave it out.")
		}
		s.Words = append(s.Words, fixed(a))
	}
	if rule, _, _ := ruleOf(s); rule.shell || !readsOnly(s) {
		return fault.New(fault.Forbidden, "%s is not known to only read with these arguments. Programs that run here: %s. Use run_command for the rest.", s.Program(), strings.Join(ReadingPrograms(), ", "))
	}
	return rules.check(s)
}
