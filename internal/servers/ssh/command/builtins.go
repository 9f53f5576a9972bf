package command

import (
	"strings"

	"drawbridge/internal/servers/kit/pattern"
)

// printfFormats are those that set no variable, as %n does.
var printfFormats = pattern.New(`^([^%]|%%|%[-+ #0-9.*\']*[a-mo-zA-Z])*$`)

// builtin refuses what commands of the shell itself can do to names and variables,
// and arguments in which a shell finds code to run.
func builtin(name string, words []Word) error {
	switch name {
	case "alias", "hash", "enable", "bind", "complete", "compopt", "compgen", "shopt", "mapfile", "readarray", "declare", "typeset", "local", "let", "fc":
		return refuse("%s changes what names stand for, or runs what it is given", name)
	case "set", "jobs":
		if len(words) > 0 {
			return refuse("%s changes what names stand for, or runs what it is given", name)
		}
	case "trap":
		return refuse("trap keeps a command for later")
	case "test", "[":
		return harmlessTest(name, words)
	case "printf":
		if len(words) == 0 || !words[0].Fixed || strings.HasPrefix(words[0].Text, "-") || !printfFormats().MatchString(words[0].Text) {
			return refuse("printf needs a format in plain text first, without options and %%n")
		}
	case "wait":
		if len(words) > 1 || len(words) == 1 && (words[0].Split || words[0].Many || strings.HasPrefix(words[0].Text, "-")) {
			return refuse("wait takes one plain number here")
		}
	case "read", "unset", "getopts", "export", "readonly":
		return harmlessNames(name, words)
	}
	return nil
}

// harmlessTest lets pass what certainly has no -v or -R, in whose argument bash
// finds code.
func harmlessTest(name string, words []Word) error {
	if testReads(words) {
		return nil
	}
	texts, plain := fixedTexts(words)
	for _, text := range texts {
		plain = plain && text != "-v" && text != "-R"
	}
	// With a computed number the operator is where POSIX says, too.
	if n := len(words); n > 0 && words[n-1] == fixed("]") {
		words = words[:n-1]
	}
	if !plain && len(words) == 3 && words[1].Fixed && strings.Contains(" -eq -ne -lt -le -gt -ge ", " "+words[1].Text+" ") {
		plain = !words[0].Split && !words[0].Many && !words[2].Split && !words[2].Many
	}
	if !plain {
		return refuse("%s may run what stands in a computed argument. Quote variables, and join several with && or ||", name)
	}
	return nil
}

// harmlessNames holds the variables that builtins set to be named in plain text,
// without an index, in which a shell computes.
func harmlessNames(name string, words []Word) error {
	for _, w := range words {
		variable, _, _ := strings.Cut(w.Text, "=")
		switch {
		case !w.Fixed:
			return refuse("the name of a variable is computed")
		case strings.Contains(variable, "["), strings.Contains(variable, "`"), strings.Contains(variable, "$"):
			return refuse("%s may run what stands in its argument", name)
		case Treacherous(variable):
			return refuse("it sets %s, which changes what a name stands for", variable)
		}
	}
	return nil
}
