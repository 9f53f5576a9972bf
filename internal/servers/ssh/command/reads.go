package command

import (
	"cmp"
	"slices"
	"strings"

	"drawbridge/internal/servers/kit/pattern"
)

// readsOnly tells a simple command that is known to change nothing: its program is
// in the table, and so is every option it could be given.
func readsOnly(s Simple) bool {
	rule, words, known := ruleOf(s)
	switch {
	case !known:
		return false
	case rule.inert:
		return true
	case rule.only != nil:
		return rule.only(words)
	}
	_, ok := rule.operands(words)
	return ok
}

// ruleOf finds what the table says of a command, and the words left to judge. The
// longest entry counts: "ip addr show" before "ip addr".
func ruleOf(s Simple) (rule reading, rest []Word, known bool) {
	name := cmp.Or(sameAs[s.Program()], s.Program())
	words := s.Words[1:]
	for len(words) > 0 && words[0].Fixed && slices.Contains(leads[name], words[0].Text) {
		words = words[1:]
	}
	for n := min(2, len(words)); n > 0; n-- {
		texts, fixed := fixedTexts(words[:n])
		if !fixed {
			continue
		}
		if rule, known = programs[name+" "+strings.Join(texts, " ")]; known {
			return rule, words[n:], true
		}
	}
	rule, known = programs[name]
	return rule, words, known
}

// plain tells a word that no program takes for an option, however the rest of it
// is computed. One that is fixed may be empty.
func (w Word) plain() bool {
	switch {
	case w.Split:
		return false
	case w.Text == "":
		return w.Fixed
	}
	return w.Text[0] != '-' && w.Text[0] != '+'
}

// operands are the words that are neither options nor their values. ok says that
// all options are known. What follows -- is judged as if it did not: not every
// program knows it.
func (r reading) operands(words []Word) (found []Word, ok bool) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w.Fixed && w.Text == "--":
			if r.alone {
				return nil, false
			}
		case w.plain(), w.Fixed && w.Text == "-":
			if found = append(found, w); r.alone {
				return nil, false
			}
		case w.Split || w.Text == "" || w.Text[0] != '-':
			return nil, false
		default:
			known, valued := r.option(w)
			if valued {
				i++
			}
			if !known || i >= len(words) || valued && !words[i].value() {
				return nil, false
			}
		}
	}
	return found, true
}

// value tells a word that is one value, and no option where a program should not
// take the option before it for one that has a value.
func (w Word) value() bool {
	return !w.Split && !w.Many && (w.plain() || w.Fixed && w.Text[0] != '-')
}

// option tells whether an option is listed, and whether the next word is its value.
func (r reading) option(w Word) (known, valued bool) {
	if strings.HasPrefix(w.Text, "--") {
		name, _, attached := strings.Cut(w.Text[2:], "=")
		if attached {
			list := strings.Fields(r.long)
			return !w.Many && (slices.Contains(list, name+"=") || slices.Contains(list, name+"?")), false
		}
		return longOption(r.long, name, w.Fixed)
	}
	if !w.Fixed {
		return false, false
	}
	return shortOptions(r.short, w.Text[1:])
}

// longOption knows a name that stands without a value. Abbreviations are unknown.
func longOption(list, name string, fixed bool) (known, valued bool) {
	all := strings.Fields(list)
	valued = slices.Contains(all, name+"=")
	return fixed && name != "" && (valued || slices.Contains(all, name) || slices.Contains(all, name+"?")), valued
}

// shortOptions knows a cluster of letters. A value in the same word must not begin
// with a letter, so that no program can take it for more options.
func shortOptions(list, cluster string) (known, valued bool) {
	for i := range len(cluster) {
		at := strings.IndexByte(list, cluster[i])
		if at < 0 || cluster[i] == ':' || cluster[i] == ' ' {
			return false, false
		}
		takes, rest := list[at+1:], cluster[i+1:]
		if !strings.HasPrefix(takes, ":") {
			continue
		}
		if rest == "" {
			return true, !strings.HasPrefix(takes, "::")
		}
		return !letter(rest[0]), false
	}
	return cluster != "", false
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// dateReads: an operand that does not begin with + sets the clock. It comes last,
// as not every date looks for options behind it.
func dateReads(words []Word) bool {
	if n := len(words); n > 0 && words[n-1].Fixed && strings.HasPrefix(words[n-1].Text, "+") {
		words = words[:n-1]
	}
	_, ok := reading{short: "uRId:r:", long: "utc universal rfc-email iso-8601? rfc-3339= date= reference=", alone: true}.operands(words)
	return ok
}

// The primaries of find that only look, by whether an argument follows.
var (
	findAlone = strings.Fields("-H -L -P ! ( ) , -not -a -and -o -or -true -false -print -print0 -ls -prune -quit -depth -mount -xdev -daystart " +
		"-follow -empty -nouser -nogroup -readable -writable -executable -nowarn")
	findValued = strings.Fields("-name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype -lname -ilname -type -xtype -size -mtime -atime -ctime -mmin " +
		"-amin -cmin -newer -anewer -cnewer -newermt -newerat -newerct -maxdepth -mindepth -user -group -uid -gid -perm -links -inum -samefile -fstype -printf")
)

// lessThan is an argument of find such as -7, -10k or -u+x, which is no primary.
var lessThan = pattern.New(`^-([0-9]+[a-zA-Z]?|[ugoa]*[+=][rwxst,ugoa+=]*)$`)

// findReads: find takes no options of getopt, and its -- ends nothing.
func findReads(words []Word) bool {
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w.Fixed && slices.Contains(findAlone, w.Text):
		case w.Fixed && slices.Contains(findValued, w.Text):
			if i++; i >= len(words) || !findArgument(words[i]) {
				return false
			}
		case !w.plain():
			return false
		}
	}
	return true
}

func findArgument(w Word) bool {
	return w.plain() || w.Fixed && (w.Text[0] != '-' || lessThan().MatchString(w.Text))
}

// The operators of test that look at nothing but strings, files and plain numbers.
var (
	testUnary  = strings.Fields("! -b -c -d -e -f -g -h -k -L -n -p -r -s -S -u -w -x -z -O -G -N")
	testBinary = strings.Fields("= != -nt -ot -ef")
	testNumber = strings.Fields("-eq -ne -lt -le -gt -ge")
)

// testReads knows the forms of test that POSIX defines by the number of their
// words. In any other a shell may find its operators where a computed word is, and
// bash runs what stands in the index of test -v.
func testReads(words []Word) bool {
	if n := len(words); n > 0 && words[n-1] == (Word{Text: "]", Fixed: true}) {
		words = words[:n-1]
	}
	if len(words) == 4 && words[0] == (Word{Text: "!", Fixed: true}) {
		words = words[1:]
	}
	for _, w := range words {
		if w.Split || w.Many {
			return false
		}
	}
	switch len(words) {
	case 0, 1:
		return true
	case 2:
		return words[0].Fixed && slices.Contains(testUnary, words[0].Text)
	case 3:
		op := words[1]
		return op.Fixed && (slices.Contains(testBinary, op.Text) || slices.Contains(testNumber, op.Text) && number(words[0]) && number(words[2]))
	}
	return false
}

func number(w Word) bool { return w.Fixed && w.Text != "" && strings.Trim(w.Text, "0123456789") == "" }

// formats that only show strings: %n sets a variable, and shells compute in %d.
var formats = pattern.New(`^([^%]|%%|%-?[0-9]*(\.[0-9]+)?[sbc])*$`)

func printfReads(words []Word) bool {
	return len(words) > 0 && words[0].Fixed && !strings.HasPrefix(words[0].Text, "-") && formats().MatchString(words[0].Text)
}
