package tree

import (
	"fmt"
	"strings"
)

// Dotenv reads NAME=VALUE lines: comments, an optional export, '...' taken as it
// stands, "..." with \n, \" and \\, and unquoted values up to a # after a space.
// Quoted values may span lines. A $ is an ordinary character, as in Docker's
// env files.
func Dotenv(file string, data []byte) (map[string]*Node, []*Fault) {
	vars := map[string]*Node{}
	var faults []*Fault
	rest, line := strings.TrimPrefix(string(data), "\ufeff"), 0
	for rest != "" {
		var text string
		text, rest, _ = strings.Cut(rest, "\n")
		line++
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		at := Place{Layer: LayerEnv, File: file, Line: line}
		name, value, ok := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		if after, found := strings.CutPrefix(name, "export "); found {
			name = strings.TrimSpace(after)
		}
		if !ok || !variable.MatchString(name) {
			faults = append(faults, &Fault{At: at, Text: "this is not NAME=VALUE; write one variable per line, or start the line with #"})
			continue
		}
		value = strings.TrimSpace(value)
		value, used, problem := dotenvValue(value, rest)
		if problem != "" {
			faults = append(faults, &Fault{At: at, Path: name, Text: problem})
			continue
		}
		line += strings.Count(rest[:used], "\n")
		rest = rest[used:]
		at.Name = name
		vars[name] = NewText(value, at)
	}
	return vars, faults
}

// dotenvValue reads the value that starts in first and, where its quotes are not
// closed there, goes on in rest; used is how much of rest belongs to it.
func dotenvValue(first, rest string) (value string, used int, problem string) {
	if first == "" || first[0] != '"' && first[0] != '\'' {
		for i := range len(first) {
			if first[i] == '#' && (i == 0 || first[i-1] == ' ' || first[i-1] == '\t') {
				first = first[:i]
				break
			}
		}
		return strings.TrimSpace(first), 0, ""
	}
	quote, all := first[0], first[1:]+"\n"+rest
	var out strings.Builder
	for i := 0; i < len(all); i++ {
		switch c := all[i]; {
		case c == quote:
			tail, _, _ := strings.Cut(all[i+1:], "\n")
			if tail = strings.TrimSpace(tail); tail != "" && tail[0] != '#' {
				return "", 0, "text follows the closing quote; put the whole value inside the quotes"
			}
			end := i + 1 + strings.IndexByte(all[i+1:]+"\n", '\n') + 1 // past the end of that line
			return out.String(), min(max(end-len(first), 0), len(rest)), ""
		case c == '\\' && quote == '"' && i+1 < len(all):
			i++
			out.WriteString(escaped(all[i]))
		default:
			out.WriteByte(c)
		}
	}
	return "", 0, fmt.Sprintf("the quote %c is never closed; add it at the end of the value", quote)
}

func escaped(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '"', '\\', '$':
		return string(c)
	}
	return `\` + string(c)
}
