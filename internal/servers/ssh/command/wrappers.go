package command

import (
	"slices"
	"strings"
)

// wrapper is a program that starts the one named by its first operand. Its options
// are all that may be given; any other is refused, as it may take a value that
// would then be taken for the program.
type wrapper struct {
	flags   string // letters of options without a value
	valued  string // letters of options with one, as -n 5 or -n5; never in a cluster
	long    string // "name" or "name=", whose value is in the same word
	own     int    // operands of its own, before the program
	alters  bool   // it does more than to start the program
	appends bool   // it adds words that it reads, and puts them where -I says
}

var wrappers = map[string]wrapper{
	"builtin": {alters: true},
	"busybox": {},
	"command": {},
	"exec":    {},
	"ionice":  {valued: "cn"},
	"nice":    {valued: "n", long: "adjustment="},
	"nohup":   {alters: true},
	"setsid":  {flags: "fw", alters: true},
	"stdbuf":  {valued: "eio"},
	"time":    {flags: "pv"},
	"timeout": {flags: "v", valued: "ks", long: "foreground preserve-status verbose kill-after= signal=", own: 1},
	"toybox":  {},
	"xargs":   {flags: "0rt", valued: "dILnP", long: "null no-run-if-empty max-args= max-lines= max-procs= delimiter=", appends: true},
}

// open finds the words that a wrapper starts.
func (x wrapper) open(s *Simple) (inner []Word, done bool, err error) {
	name, marked := s.Program(), ""
	s.altered = s.altered || x.alters
	i := 1
	for ; i < len(s.Words); i++ {
		w := s.Words[i]
		if !w.Fixed {
			return nil, false, refuse("an argument of %s is computed", name)
		}
		if w.Text == "--" {
			i++
			break
		}
		if w.Text == "" || w.Text[0] != '-' {
			break
		}
		value, next, known := x.option(w.Text)
		if next && known {
			if i++; i >= len(s.Words) || !s.Words[i].Fixed || s.Words[i].Text == "" || s.Words[i].Text[0] == '-' {
				return nil, false, refuse("the value of the option %s of %s is missing or computed", w.Text, name)
			}
			value = s.Words[i].Text
		}
		if !known || w.Text[1] == 'I' && marked != "" {
			return nil, false, refuse("the option %s of %s is not one that is known here", w.Text, name)
		}
		if w.Text[1] == 'I' {
			marked = value
		}
	}
	if _, ok := fixedTexts(s.Words[min(i, len(s.Words)):min(i+x.own, len(s.Words))]); !ok {
		return nil, false, refuse("an argument of %s is computed", name)
	}
	i += x.own
	switch {
	case x.appends && i >= len(s.Words):
		inner = []Word{fixed("echo")} // which it starts if nothing else is named
	case i >= len(s.Words):
		s.Unseen = true
		return nil, false, nil
	default:
		inner = slices.Clone(s.Words[i:])
	}
	if x.appends {
		inner = append(computeIn(inner, marked), Word{Split: true})
	}
	return inner, false, nil
}

// option knows one option word: one letter, letters without values, or a name.
// next says that the value is the next word.
func (x wrapper) option(text string) (value string, next, known bool) {
	if long, ok := strings.CutPrefix(text, "--"); ok {
		name, value, has := strings.Cut(long, "=")
		if has {
			name += "="
		}
		return value, false, name != "" && slices.Contains(strings.Fields(x.long), name)
	}
	letters := text[1:]
	switch {
	case letters == "":
		return "", false, false
	case strings.IndexByte(x.valued, letters[0]) >= 0:
		return letters[1:], len(letters) == 1, true
	}
	return "", false, strings.Trim(letters, x.flags) == ""
}
