// Package command is what the ssh server knows of shell commands without running
// any: how a value is quoted for a remote shell, what programs a command line
// would run, whether it only reads, and whether an operator's rules allow it.
//
// A command is parsed, never searched with regular expressions. Every simple
// command in it is judged by itself, also behind env, xargs, find -exec or sh -c.
// Where the text does not say what would run (eval, a program's name in a
// variable, code from a pipe) the whole command is refused. This is a guard rail
// against mistakes and injected text, not a sandbox: what the account on the host
// may do is the boundary.
//
// The ssh server and its package remote call it. Nothing here connects anywhere.
package command

import (
	"strings"

	"drawbridge/internal/fault"
)

// MaxLength bounds a command in bytes.
const MaxLength = 64 << 10

// Quote makes one word of s for a POSIX shell, whatever s holds. It refuses NUL,
// which no argument of a program can hold.
func Quote(s string) (string, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return "", fault.New(fault.Invalid, "A NUL character cannot be part of a command. Leave it out.")
	}
	if s != "" && s[0] != '=' && strings.IndexFunc(s, unsafe) < 0 {
		return s, nil
	}
	// Inside single quotes nothing has a meaning but the quote that ends them.
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}

// unsafe tells the characters that may mean something to a shell.
func unsafe(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("_@%+=:,./-", r)
}

// Join quotes the words of an argument list and puts a space between them.
func Join(argv []string) (string, error) {
	words := make([]string, len(argv))
	for i, a := range argv {
		var err error
		if words[i], err = Quote(a); err != nil {
			return "", err
		}
	}
	return strings.Join(words, " "), nil
}

// Class is how much a command may do.
type Class int

// The classes, least first.
const (
	Reads      Class = iota // known to change nothing
	Changes                 // may change what its account may
	Privileged              // becomes another user: sudo, su, doas
)

// String is the word for people.
func (c Class) String() string {
	switch c {
	case Reads:
		return "read-only"
	case Privileged:
		return "privileged"
	}
	return "may change things"
}

// Simple is one program that a command runs.
type Simple struct {
	Words  []Word
	Writes []Word // targets of redirections that write
	Reads  []Word // sources of redirections, where it stands for nothing else
	// Unseen says that the program runs code which the words do not show, as an
	// interpreter does. Only a rule that names the program lets it pass.
	Unseen bool

	altered bool // it runs with variables, or in a way, that may change what it does
}

// Word is one word of a simple command.
type Word struct {
	Text string
	// Fixed says that the program gets Text and nothing else. Otherwise the shell
	// computes the word, and Text is its fixed beginning.
	Fixed bool
	Many  bool // computed: it may become several words, each beginning with Text
	Split bool // computed: several or none, of which only the first begins with Text
}

// Program is the name of what runs, without the folders where programs live.
func (s Simple) Program() string { return baseName(s.Words[0].Text) }

// String is the command for people, with computed parts as "...".
func (s Simple) String() string {
	words := make([]string, len(s.Words))
	for i, w := range s.Words {
		words[i] = w.Text
		if !w.Fixed {
			words[i] += "..."
		}
	}
	return strings.Join(words, " ")
}

// baseName takes the usual folders off a program's path. Any other path is kept:
// /tmp/ls is not ls.
func baseName(program string) string {
	for _, dir := range []string{"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"} {
		if rest, ok := strings.CutPrefix(program, dir); ok && rest != "" && !strings.Contains(rest, "/") {
			return rest
		}
	}
	return program
}

// refuse is the error for a command that cannot be judged.
func refuse(format string, args ...any) error {
	all := append([]any{}, args...)
	return fault.New(fault.Forbidden, "The command cannot be judged: "+format+". Write it so that every program is named in plain text, as several calls if need be.", all...)
}
