package config

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Dump writes every effective value, one a line, with where it was set. Secrets
// are masked, and a value that ${...} went into is shown as the file has it.
func (c *Config) Dump(w io.Writer) error {
	sorted := slices.Clone(c.entries)
	slices.SortStableFunc(sorted, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	for _, e := range sorted {
		at := e.at.String()
		if at == "" {
			at = string(e.at.Layer)
		}
		if _, err := fmt.Fprintf(w, "%s = %s  # %s\n", e.path, e.shown, at); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}
