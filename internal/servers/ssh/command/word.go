package command

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

func fixed(text string) Word { return Word{Text: text, Fixed: true} }

// wordOf is what a shell makes of a word. Pathname patterns, braces and a leading
// tilde are computed, too.
func wordOf(w *syntax.Word) Word {
	if w == nil {
		return fixed("")
	}
	var b strings.Builder
	out := fixed("")
	add := func(text string, computed bool) {
		if out.Fixed {
			b.WriteString(text)
		}
		out.Fixed = out.Fixed && !computed
	}
	for i, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			add(literal(p.Value, i == 0, len(w.Parts) == 1))
			out.Many = out.Many || strings.ContainsAny(p.Value, "*?[{")
		case *syntax.SglQuoted:
			add(p.Value, false)
		case *syntax.DblQuoted:
			for _, q := range p.Parts {
				if lit, ok := q.(*syntax.Lit); ok {
					add(quotedLiteral(lit.Value), false)
				} else {
					add("", true)
				}
			}
			out.Split = out.Split || listsParameters(p)
		default:
			add("", true)
			out.Split = out.Split || splits(part)
		}
	}
	out.Text = b.String()
	out.Many = out.Many && !out.Fixed
	return out
}

// listsParameters tells "$@" in quotes, which becomes one word for each parameter.
func listsParameters(q *syntax.DblQuoted) (lists bool) {
	syntax.Walk(q, func(n syntax.Node) bool {
		if p, ok := n.(*syntax.ParamExp); ok && p.Param.Value == "@" {
			lists = true
		}
		return !lists
	})
	return lists
}

// splits tells an expansion without quotes that is more than a number.
func splits(part syntax.WordPart) bool {
	switch p := part.(type) {
	case *syntax.ArithmExp:
		return false
	case *syntax.ParamExp:
		counts := p.Param.Value == "?" || p.Param.Value == "#" || p.Param.Value == "$" || p.Param.Value == "!"
		return !p.Length && (!counts || p.Exp != nil)
	}
	return true
}

// literal takes the backslashes out of unquoted text, and stops where the shell
// would compute. whole says that s is all of its word: a bracket that nothing
// closes, or a brace without a comma, is itself then.
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
			if !whole || strings.ContainsAny(s[i:], ",") || strings.Contains(s[i:], "..") || !strings.Contains(s[i:], "}") {
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
