package shell

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"drawbridge/internal/secret"
)

// Say tells what was done, on standard output.
func (s *Shell) Say(format string, args ...any) error {
	_, err := fmt.Fprintln(s.Out, line(fmt.Sprintf(format, args...)))
	return err
}

// Shown prints a secret that was made: alone on standard output, for scripts.
func (s *Shell) Shown(what string, value secret.String) error {
	fmt.Fprintf(s.Err, "%s It is shown this once:\n", line(what))
	_, err := fmt.Fprintln(s.Out, value.Reveal())
	return err
}

// PrintJSON prints a value for scripts and people alike.
func (s *Shell) PrintJSON(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Clean takes out of text what a terminal would obey, and what would show it in
// another order than it is written: names and descriptions come from backends and
// from clients that nobody knows.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.Is(unicode.Cc, r) && !unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// line is Clean for what is to stay on one line: the name of one thing must not
// look like another thing below it.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, Clean(text))
}

// Table writes rows as aligned columns.
func Table(w io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var out strings.Builder
		for i, cell := range row {
			out.WriteString(line(cell))
			if i < len(row)-1 {
				out.WriteString(strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(out.String(), " "))
	}
}
