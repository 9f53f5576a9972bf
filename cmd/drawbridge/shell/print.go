package shell

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"drawbridge/internal/secret"
)

// Say tells what was done, on standard output.
func (s *Shell) Say(format string, args ...any) error {
	_, err := fmt.Fprintln(s.Out, Clean(fmt.Sprintf(format, args...)))
	return err
}

// Shown prints a secret that was made: alone on standard output, for scripts.
func (s *Shell) Shown(what string, value secret.String) error {
	fmt.Fprintf(s.Err, "%s It is shown this once:\n", Clean(what))
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

// Clean takes out of text what a terminal would obey: names and descriptions
// come from backends.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\ufffd'
	}, text)
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
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(Clean(cell))
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}
