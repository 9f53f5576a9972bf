package config

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"drawbridge/internal/config/tree"
)

// Dump writes every effective value, one a line, with where it was set. Secrets
// are masked, and a value that ${...} went into is shown as the file has it.
func (c *Config) Dump(w io.Writer) error {
	sorted := slices.Clone(c.entries)
	slices.SortStableFunc(sorted, func(a, b tree.Entry) int { return strings.Compare(a.Path, b.Path) })
	for _, e := range sorted {
		at := e.At.String()
		if at == "" {
			at = string(e.At.Layer)
		}
		if _, err := fmt.Fprintf(w, "%s = %s  # %s\n", e.Path, e.Shown, at); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}
