package api

import (
	"strings"

	"drawbridge/internal/servers/kit/pattern"
)

// A report declares its filters in a script for the browser, as an array of objects
// after "filters". Nobody runs it here: literals are read, and what a program would
// compute is left out.

// scriptFilters reads the filters of a script. whole is false where it puts some
// together by other means.
func scriptFilters(script string) (filters []Filter, whole bool) {
	r := &reader{text: script}
	whole = !computedRule().MatchString(script)
	for r.seek("filters") {
		if r.skip(`"'`); !r.take(':') || !r.take('[') {
			continue
		}
		for r.take('{') {
			if f := r.object(); f.Field != "" {
				filters = append(filters, f)
			}
			r.take(',')
		}
	}
	return filters, whole
}

// computedRule finds scripts whose filters stand elsewhere or are added later.
var computedRule = pattern.New(`\$\.extend\(|Object\.assign\(\s*\{\}|\.filters\.(?:push|splice|unshift|concat)|filters"?\s*:\s*[A-Za-z_]|\.\.\.[a-z]`)

// reader walks a script by its tokens; comments and strings are whole.
type reader struct {
	text string
	at   int
}

// blank passes over blanks and comments.
func (r *reader) blank() {
	for r.at < len(r.text) {
		rest := r.text[r.at:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			r.at++
		case strings.HasPrefix(rest, "//"):
			r.to(strings.IndexByte(rest, '\n'))
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end >= 0 {
				end += 4
			}
			r.to(end)
		default:
			return
		}
	}
}

// to moves by n bytes, or to the end where n is negative.
func (r *reader) to(n int) {
	if n < 0 {
		n = len(r.text) - r.at
	}
	r.at += n
}

func (r *reader) skip(any string) {
	for r.at < len(r.text) && strings.IndexByte(any, r.text[r.at]) >= 0 {
		r.at++
	}
}

// take passes over one character, if it is next.
func (r *reader) take(c byte) bool {
	r.blank()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// seek goes behind the next word that is the one given, outside of comments.
func (r *reader) seek(word string) bool {
	for {
		r.blank()
		if r.at >= len(r.text) {
			return false
		}
		if w := wordRule().FindString(r.text[r.at:]); w != "" {
			if r.at += len(w); w == word {
				return true
			}
			continue
		}
		if c := r.text[r.at]; strings.IndexByte("\"'`", c) >= 0 {
			start := r.at
			if r.quoted() == word { // a quoted key
				return true
			}
			if r.at == start {
				r.at++
			}
			continue
		}
		r.at++
	}
}

var wordRule = pattern.New(`^[A-Za-z_$][A-Za-z0-9_$]*`)

// quoted reads a string literal.
func (r *reader) quoted() string {
	quote := r.text[r.at]
	var b strings.Builder
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case quote:
			r.at++
			return b.String()
		case '\\':
			if r.at++; r.at < len(r.text) {
				if r.text[r.at] == 'n' {
					b.WriteByte('\n')
					continue
				}
				b.WriteByte(r.text[r.at])
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// object reads a filter; its brace is passed already.
func (r *reader) object() (f Filter) {
	for !r.take('}') && r.at < len(r.text) {
		key := r.key()
		if key == "" || !r.take(':') {
			r.rest()
			r.take(',')
			continue
		}
		value, literal := r.literal()
		r.rest()
		r.take(',')
		if literal {
			f.set(key, value)
		}
	}
	return f
}

func (r *reader) key() string {
	r.blank()
	if r.at >= len(r.text) {
		return ""
	}
	if strings.IndexByte("\"'", r.text[r.at]) >= 0 {
		return r.quoted()
	}
	w := wordRule().FindString(r.text[r.at:])
	r.at += len(w)
	return w
}

// numberRule is a number or a truth value.
var numberRule = pattern.New(`^(?:-?[0-9][0-9.]*|true|false)`)

// literal reads a value that needs no program: a text, a translated text, a number,
// a list of texts (joined by line ends, as options are).
func (r *reader) literal() (string, bool) {
	r.blank()
	rest := r.text[r.at:]
	switch {
	case rest == "":
		return "", false
	case strings.IndexByte("\"'`", rest[0]) >= 0:
		text := r.quoted()
		return text, r.ends()
	case strings.HasPrefix(rest, "__("), strings.HasPrefix(rest, "frappe._("):
		r.at += strings.IndexByte(rest, '(') + 1
		if text, ok := r.literal(); ok {
			return text, true
		}
		return "", false
	case rest[0] == '[':
		r.at++
		return r.texts()
	}
	if n := numberRule().FindString(rest); n != "" {
		r.at += len(n)
		return n, r.ends()
	}
	return "", false
}

// ends tells whether a value is over here, rather than the start of an expression.
func (r *reader) ends() bool {
	r.blank()
	return r.at >= len(r.text) || strings.IndexByte(",}])", r.text[r.at]) >= 0
}

func (r *reader) texts() (string, bool) {
	var all []string
	for !r.take(']') {
		text, ok := r.literal()
		if !ok {
			return "", false
		}
		r.take(')')
		all = append(all, text)
		if !r.take(',') {
			r.blank()
			if r.at >= len(r.text) || r.text[r.at] != ']' {
				return "", false
			}
		}
	}
	return strings.Join(all, "\n"), true
}

// rest passes over what is left of a value, up to its comma or the brace after it.
func (r *reader) rest() {
	for depth := 0; ; r.at++ {
		r.blank()
		if r.at >= len(r.text) {
			return
		}
		switch c := r.text[r.at]; {
		case strings.IndexByte("\"'`", c) >= 0:
			r.quoted()
			r.at--
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case depth > 0 && strings.IndexByte(")]}", c) >= 0:
			depth--
		case depth == 0 && (c == ',' || c == '}'):
			return
		}
	}
}

func (f *Filter) set(key, value string) {
	switch key {
	case "fieldname":
		f.Field = value
	case "label":
		f.Label = value
	case "fieldtype":
		f.Type = value
	case "options":
		f.Options = Text(value)
	case "default":
		f.Default = Text(value)
	case "reqd":
		f.Required = value != "0" && value != "false" && value != ""
	}
}
