package command

import "strings"

// becomesAnother are programs whose purpose is to run something as another user.
var becomesAnother = map[string]bool{
	"sudo": true, "su": true, "doas": true, "pkexec": true, "runuser": true, "setpriv": true, "su-exec": true, "gosu": true, "run0": true, "machinectl": true,
}

// interpreters run code that is given to them.
var interpreters = map[string]bool{
	"python": true, "python2": true, "python3": true, "perl": true, "ruby": true, "node": true, "php": true, "lua": true, "awk": true, "gawk": true,
	"mawk": true, "nawk": true, "tclsh": true, "expect": true, "osascript": true, "R": true, "Rscript": true, "make": true, "vi": true, "vim": true,
	"ed": true, "ex": true, "gdb": true, "sqlite3": true, "psql": true, "mysql": true, "ssh": true, "at": true, "batch": true, "crontab": true,
	"parallel": true, "watch": true, "flock": true, "script": true, "strace": true, "ltrace": true, "unshare": true, "nsenter": true, "chroot": true,
	"systemd-run": true, "screen": true, "tmux": true, "rsync": true, "tar": true, "zip": true, "socat": true, "nc": true, "ncat": true, "entr": true,
	"zsh": true, "ksh": true, "ksh93": true, "mksh": true, "fish": true, "csh": true, "tcsh": true, "chrt": true, "taskset": true, "numactl": true, "prlimit": true, "setarch": true,
	"linux32": true, "linux64": true, "unbuffer": true, "fakeroot": true, "firejail": true, "bwrap": true, "chpst": true, "cgexec": true, "start-stop-daemon": true, "runcon": true,
	"capsh": true, "sg": true, "newgrp": true, "dbus-run-session": true, "xvfb-run": true, "catchsegv": true, "softlimit": true, "setuidgid": true, "faketime": true,
	"systemd-inhibit": true, "ssh-agent": true, "run-parts": true, "nsexec": true, "cpulimit": true, "eatmydata": true,
}

// shells read code from a file, an option or standard input. What other shells make
// of a text is not known here.
var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true}

// unwrap finds the words that the program of s is told to run. nil without done is
// a program that runs by itself; done says that s stands for commands which were
// taken already. It may mark s.
func (r *reader) unwrap(s *Simple) (inner []Word, done bool, err error) {
	name := s.Program()
	switch {
	case name == "eval":
		text, ok := fixedTexts(s.Words[1:])
		if !ok {
			return nil, false, refuse("eval runs what is computed")
		}
		return nil, true, r.nested(strings.Join(text, " "))
	case name == "." || name == "source":
		return nil, false, refuse("it runs a file inside the shell")
	case shells[name]:
		return r.shell(s)
	case name == "find":
		return nil, false, r.find(s)
	case name == "env":
		return r.env(s)
	case name == "command" && len(s.Words) > 1 && s.Words[1].Fixed && (s.Words[1].Text == "-v" || s.Words[1].Text == "-V"):
		return nil, false, nil // only shows what a name stands for
	}
	if err := builtin(name, s.Words[1:]); err != nil {
		return nil, false, err
	}
	wrapper, wraps := wrappers[name]
	if !wraps {
		s.Unseen = interpreters[name]
		return nil, false, nil
	}
	return wrapper.open(s)
}

func fixedTexts(words []Word) ([]string, bool) {
	texts := make([]string, len(words))
	for i, w := range words {
		if !w.Fixed {
			return nil, false
		}
		texts[i] = w.Text
	}
	return texts, true
}

// nested judges the text that a shell would be given.
func (r *reader) nested(text string) error {
	found, err := parse(text, r.depth+1)
	r.found = append(r.found, found...)
	return err
}

// shell judges the text of sh -c, and knows scripts by their name.
func (r *reader) shell(s *Simple) ([]Word, bool, error) {
	for i := 1; i < len(s.Words); i++ {
		w := s.Words[i]
		switch {
		case !w.Fixed:
			return nil, false, refuse("what a shell should run is computed")
		case !strings.HasPrefix(w.Text, "-") && !strings.HasPrefix(w.Text, "+"):
			s.Unseen = true // a script: known by its name only
			return nil, false, nil
		case strings.HasPrefix(w.Text, "--"), strings.Trim(w.Text[1:], "ceux") != "":
			return nil, false, refuse("the shell's option %s is not one of -c -e -u -x", w.Text)
		case strings.Contains(w.Text, "c"):
			if i+1 >= len(s.Words) || !s.Words[i+1].Fixed {
				return nil, false, refuse("what a shell should run is computed")
			}
			if text := s.Words[i+1].Text; strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
				return nil, false, refuse("write the options of the shell as one word before its text")
			}
			return nil, true, r.nested(s.Words[i+1].Text)
		}
	}
	return nil, false, refuse("a shell would run what comes from its input")
}

// find takes the commands of -exec and its like.
func (r *reader) find(s *Simple) error {
	for i := 1; i < len(s.Words); i++ {
		w := s.Words[i]
		if w.Split || !w.Fixed && (w.Text == "" || strings.HasPrefix(w.Text, "-")) {
			return refuse("an option of find is computed")
		}
		switch w.Text {
		case "-exec", "-execdir", "-ok", "-okdir":
		default:
			continue
		}
		var inner []Word
		for i++; i < len(s.Words) && s.Words[i].Text != ";" && (s.Words[i].Text != "+" || s.Words[i-1].Text != "{}"); i++ {
			inner = append(inner, s.Words[i])
		}
		if err := r.add(Simple{Words: computeIn(inner, "{}")}); err != nil {
			return err
		}
	}
	return nil
}

// computeIn marks the words in which mark will be replaced.
func computeIn(words []Word, mark string) []Word {
	for i, w := range words {
		if before, _, found := strings.Cut(w.Text, mark); found && mark != "" {
			words[i] = Word{Text: before, Many: w.Many, Split: w.Split}
		}
	}
	return words
}

// env skips the variables it sets, which must not be treacherous.
func (r *reader) env(s *Simple) ([]Word, bool, error) {
	for i := 1; i < len(s.Words); i++ {
		w := s.Words[i]
		name, _, sets := strings.Cut(w.Text, "=")
		switch {
		case w.Split || w.Many:
			return nil, false, refuse("an argument of env is computed without quotes")
		case sets && Treacherous(name):
			return nil, false, refuse("it sets %s, which changes what a name stands for", name)
		case sets && !strings.HasPrefix(w.Text, "-"):
			s.altered = s.altered || !Harmless(name)
		case !w.Fixed:
			return nil, false, refuse("the name of a program is computed")
		case w.Text == "-i" || w.Text == "-" || w.Text == "--ignore-environment":
		case strings.HasPrefix(w.Text, "-"):
			return nil, false, refuse("the option %s of env is not one that is known here", w.Text)
		default:
			return s.Words[i:], false, nil
		}
	}
	return nil, false, nil // shows the environment
}
